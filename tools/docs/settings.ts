/** docs/reference/settings.md: every setting with its names and default. */
import { agentSettings, edgeSettings, serviceSettings, settingsOf } from "../../src/config/mod.ts";
import { cell, table } from "./pages.ts";

type Settings = Parameters<typeof settingsOf>[0];

export function settingsPage(): [string, string] {
  const text = [
    "# Settings",
    "A flag wins over a variable, a variable over the configuration file, the file over the default.",
    "## Edge",
    settingTable(edgeSettings),
    "## Agent",
    settingTable(agentSettings),
    "## Services of an agent",
    "Each entry of `services` in the agent's configuration file.",
    table(
      ["Key", "Default", "Meaning"],
      settingsOf(serviceSettings).map(({ key, setting }) => [
        `\`${key}\``,
        defaultOf(setting.shownDefault),
        cell(setting.help),
      ]),
    ),
    "",
  ].join("\n\n");
  return ["docs/reference/settings.md", text];
}

function settingTable(settings: Settings): string {
  const rows = settingsOf(settings).map(({ key, flag, environment, setting }) => [
    `\`${key}\``,
    `\`--${flag}\``,
    `\`${environment}\``,
    defaultOf(setting.shownDefault),
    cell(setting.help),
  ]);
  return table(["Key", "Flag", "Variable", "Default", "Meaning"], rows);
}

function defaultOf(text: string | null): string {
  return text === null || text === "" ? "none" : `\`${text}\``;
}
