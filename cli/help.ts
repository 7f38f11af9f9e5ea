/** Help pages, made from the table of commands. Pure. */
import { type Command, type Flag, flagsFor, settingsFor } from "./command.ts";

/** Column at which explanations start. */
const textColumn = 34;

/** The page of `postern help`. */
export function overview(commands: readonly Command[]): string {
  return [
    "postern: tunnels from any machine that can prove what it is",
    "",
    "Usage: postern COMMAND [ARGUMENT] [FLAGS]",
    "",
    "Commands:",
    ...commands.map((command) => entry(`${command.name}${argumentsOf(command)}`, command.summary)),
    "",
    "postern help COMMAND shows its flags, postern help COMMAND --all every setting.",
    "A setting is taken from its flag, else its POSTERN_ variable, else the file given with --config, else its default.",
    "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not authorized, 4 attestation refused, 5 gave up retrying.",
    "",
  ].join("\n");
}

/** The page of one command; `all` lists every setting instead of the usual ones. */
export function commandHelp(command: Command, all: boolean): string {
  const lines = [command.summary, "", `Usage: postern ${command.name}${argumentsOf(command)} [FLAGS]`];
  if (command.details !== undefined) lines.push("", ...command.details);
  if (command.arguments.length > 0) {
    lines.push("", "Arguments:", ...command.arguments.map((argument) => entry(argument.name, argument.help)));
  }
  const common = new Set(command.commonKeys);
  const defaults = new Map(settingsFor(command).map(({ key, setting }) => [key, setting.shownDefault]));
  const own = new Set(command.flags);
  const isCommon = (flag: Flag) =>
    own.has(flag) || flag.key === undefined || !defaults.has(flag.key) || common.has(flag.key);
  const flags = flagsFor(command);
  const listed = all ? flags : flags.filter(isCommon);
  lines.push("", "Flags:");
  for (const flag of listed) {
    const facts = [
      flag.key === undefined || !defaults.get(flag.key) ? undefined : `default ${defaults.get(flag.key)}`,
      flag.environment,
      flag.key === undefined ? undefined : `key ${flag.key}`,
    ].filter((fact) => fact !== undefined);
    lines.push(entry(spelling(flag), flag.help));
    if (facts.length > 0) lines.push(`${" ".repeat(textColumn)}[${facts.join(" · ")}]`);
  }
  if (listed.length < flags.length) {
    lines.push("", `${flags.length - listed.length} more settings: postern help ${command.name} --all`);
  }
  return [...lines, ""].join("\n");
}

function spelling(flag: Flag): string {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  return `${short}--${flag.name}${flag.placeholder === undefined ? "" : ` ${flag.placeholder}`}`;
}

function argumentsOf(command: Command): string {
  return command.arguments.map(({ name, required }) => required ? ` ${name}` : ` [${name}]`).join("");
}

function entry(head: string, text: string): string {
  return head.length + 4 > textColumn
    ? `  ${head}\n${" ".repeat(textColumn)}${text}`
    : `  ${head}`.padEnd(textColumn) + text;
}
