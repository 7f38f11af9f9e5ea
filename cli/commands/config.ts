import {
  agentSettings,
  edgeSettings,
  formatAddress,
  formatDuration,
  formatRate,
  formatSize,
  formatTpmAddress,
  keyOfProperty,
  settingsOf,
  type TpmAddress,
} from "../../src/config/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { loadAgent, loadEdge } from "../load.ts";

/** `postern config ROLE [--config FILE] [--json]`: the merged configuration with the origin of each value. */
export async function runConfig(call: Call): Promise<number> {
  const role = call.arguments[0];
  const { config, origins, warnings } = role === "edge" ? await loadEdge(call) : await loadAgent(call);
  if (call.switches.has("json")) {
    call.terminal.out(
      `${JSON.stringify({ role, config, origins: Object.fromEntries(origins), warnings })}\n`,
    );
    return 0;
  }
  const placeholders = new Map(
    settingsOf(role === "edge" ? edgeSettings : agentSettings).map((
      { key, setting },
    ) => [key, setting.placeholder]),
  );
  const flat = new Map(leavesOf(config, ""));
  for (const [key, origin] of origins) {
    const value = shown(flat.get(key), placeholders.get(key));
    const where = origin.layer === "default" ? "default" : `${origin.layer} ${origin.where}`;
    call.terminal.out(`${key.padEnd(36)} ${escapeControls(value).padEnd(28)} ${escapeControls(where)}\n`);
  }
  for (const warning of warnings) call.terminal.err(`warning: ${escapeControls(warning)}\n`);
  return 0;
}

/** Pairs of key and value; lists of groups are numbered, as in the origins. */
function* leavesOf(value: unknown, key: string): Generator<[string, unknown]> {
  yield [key, value];
  if (typeof value !== "object" || value === null) return;
  for (const [property, part] of Object.entries(value)) {
    const name = keyOfProperty(property);
    yield* leavesOf(
      part,
      Array.isArray(value) ? `${key}[${property}]` : key === "" ? name : `${key}.${name}`,
    );
  }
}

function shown(value: unknown, placeholder: string | undefined): string {
  if (value === null || value === undefined) return placeholder?.includes("off") ? "off" : "-";
  if (typeof value === "number") {
    if (placeholder === "DURATION") return formatDuration(value);
    return placeholder === "SIZE" ? formatSize(value) : String(value);
  }
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.join(",") || "-";
  const facts = value as Record<string, number | string>;
  if ("kind" in facts) return formatTpmAddress(value as TpmAddress);
  if ("port" in facts) return formatAddress({ host: String(facts.host), port: Number(facts.port) });
  if ("everyMs" in facts) return formatRate({ count: Number(facts.count), everyMs: Number(facts.everyMs) });
  return "first" in facts ? `${facts.first}-${facts.last}` : JSON.stringify(value);
}
