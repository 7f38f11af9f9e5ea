/** Command lines: which command, its arguments and flags. Pure. */
import { didYouMean } from "../src/config/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import { type Call, type Command, type Flag, flagsFor } from "./command.ts";

export type Parsed = Pick<Call, "command" | "arguments" | "switches" | "values" | "settings">;

/** Longest piece of the user's own text in a message. */
const maxShownChars = 64;

/**
 * Reads `NAME [FLAG...] [ARGUMENT...]`. Flags are `--name value`, `--name=value`, `-n value`; a bare flag of a setting
 * that is true or false means true, one of a list may be repeated; after `--` everything is an argument. Throws `cli_command_unknown`, `cli_flag_unknown`, `cli_flag_value_missing`, `cli_flag_repeated`,
 * `cli_argument_missing`, `cli_argument_unexpected`.
 */
export function parseCommandLine(
  words: readonly string[],
  commands: readonly Command[],
  env: Readonly<Record<string, string | undefined>> = {},
): Parsed {
  const [name = "", ...rest] = words;
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const what = name.startsWith("-")
      ? `a command must come before ${shown(name)}`
      : `there is no command ${shown(name)}`;
    const suggestion = didYouMean(name, commands.map((candidate) => candidate.name));
    throw new PosternError("cli_command_unknown", `Cannot run postern: ${what}${suggestion}`);
  }
  const flags = flagsFor(command);
  const positional: string[] = [];
  const switches = new Set<string>();
  const given = new Map<string, string>();
  for (let at = 0; at < rest.length; at++) {
    const text = rest[at];
    if (text === "--") {
      positional.push(...rest.slice(at + 1));
      break;
    }
    if (!text.startsWith("-") || text === "-") {
      positional.push(text);
      continue;
    }
    const equals = text.indexOf("=");
    const spelled = equals < 0 ? text : text.slice(0, equals);
    const flag = find(flags, spelled, command);
    const separator = separatorOf(flag);
    const earlier = given.get(flag.name);
    if (switches.has(flag.name) || (earlier !== undefined && separator === undefined)) {
      throw new PosternError(
        "cli_flag_repeated",
        `Cannot run postern ${command.name}: --${flag.name} is given twice`,
      );
    }
    if (flag.placeholder === undefined) {
      if (equals >= 0) {
        throw new PosternError(
          "cli_flag_unknown",
          `Cannot run postern ${command.name}: --${flag.name} takes no value`,
          { detail: { command: command.name } },
        );
      }
      switches.add(flag.name);
      continue;
    }
    if (equals < 0 && isToggle(flag) && !toggleWords.has(rest[at + 1])) {
      given.set(flag.name, "true");
      continue;
    }
    const value = equals >= 0 ? text.slice(equals + 1) : rest[++at];
    if (value === undefined || value === "" || (equals < 0 && value.startsWith("-") && value !== "-")) {
      throw new PosternError(
        "cli_flag_value_missing",
        `Cannot run postern ${command.name}: --${flag.name} needs a value (${flag.placeholder})`,
      );
    }
    given.set(flag.name, earlier === undefined ? value : `${earlier}${separator}${value}`);
  }
  if (!switches.has("help")) checkArguments(command, positional);
  return { command, arguments: positional, switches, ...split(command, given, env) };
}

/** What a bare flag of true or false takes from the word after it. */
const toggleWords: ReadonlySet<string | undefined> = new Set(["true", "false", "auto"]);

function isToggle({ placeholder }: Flag): boolean {
  return placeholder === "BOOL" || placeholder === "auto|true|false";
}

/** What stands between the values of a repeated flag; undefined where only one is meant. */
function separatorOf({ placeholder }: Flag): string | undefined {
  if (placeholder === "NAME: VALUE") return "\n";
  return placeholder?.endsWith(",...") ? "," : undefined;
}

function find(flags: readonly Flag[], spelled: string, command: Command): Flag {
  const flag = spelled.startsWith("--")
    ? flags.find((candidate) => `--${candidate.name}` === spelled)
    : flags.find((candidate) => candidate.short !== undefined && `-${candidate.short}` === spelled);
  if (flag !== undefined) return flag;
  const suggestion = didYouMean(spelled, flags.map((candidate) => `--${candidate.name}`));
  throw new PosternError(
    "cli_flag_unknown",
    `Cannot run postern ${command.name}: there is no flag ${shown(spelled)}${suggestion}`,
    { detail: { command: command.name } },
  );
}

function checkArguments(command: Command, positional: readonly string[]): void {
  const missing = command.arguments.find((argument, index) =>
    argument.required && index >= positional.length
  );
  if (missing !== undefined) {
    throw new PosternError(
      "cli_argument_missing",
      `Cannot run postern ${command.name}: ${missing.name} is missing (${missing.help.replace(/\.$/, "")})`,
      { detail: { command: command.name } },
    );
  }
  positional.forEach((text, index) => {
    const argument = command.arguments[index];
    const words = argument?.words;
    if (argument !== undefined && (words === undefined || words.includes(text))) return;
    const hint = words === undefined ? "" : didYouMean(text, words) || ` (one of ${words.join(", ")})`;
    throw new PosternError(
      "cli_argument_unexpected",
      `Cannot run postern ${command.name}: unexpected argument ${shown(text)}${hint}`,
      { detail: { command: command.name } },
    );
  });
}

function split(
  command: Command,
  given: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): Pick<Parsed, "values" | "settings"> {
  const own = new Set(command.flags.map((flag) => flag.name));
  const values: Record<string, string> = {};
  const settings: Record<string, string> = {};
  for (const { name, environment } of command.flags) {
    const text = environment === undefined ? undefined : env[environment];
    if (text !== undefined && text !== "") values[name] = text;
  }
  for (const [name, value] of given) (own.has(name) ? values : settings)[name] = value;
  return { values, settings };
}

function shown(text: string): string {
  return JSON.stringify(text.length > maxShownChars ? `${text.slice(0, maxShownChars)}…` : text);
}
