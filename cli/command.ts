/** What a command is: one row of the table that parsing, help and completions are made from. */
import { agentSettings, edgeSettings, type NamedSetting, settingsOf } from "../src/config/mod.ts";
import type { Terminal } from "./terminal.ts";

/** A flag of one command, beside the settings. */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** One letter, without its dash. */
  readonly short?: string;
  readonly help: string;
  /** What stands for the value; a flag without it is a switch. */
  readonly placeholder?: string;
  /** Variable that does the same. */
  readonly environment?: string;
  /** Key of the configuration file that does the same. */
  readonly key?: string;
  /** Whether completion offers files. */
  readonly file?: boolean;
}

export interface Argument {
  readonly name: string;
  readonly help: string;
  readonly required: boolean;
  /** The only words that are accepted. */
  readonly words?: readonly string[];
  /** What completion offers where the words are not fixed. */
  readonly offers?: "commands" | "codes";
}

/** A parsed command line with what the command may touch. */
export interface Call {
  readonly command: Command;
  readonly arguments: readonly string[];
  /** Switches that are on. */
  readonly switches: ReadonlySet<string>;
  /** Values of the command's own flags; its variables are already taken into account. */
  readonly values: Readonly<Record<string, string>>;
  /** Values of settings, by flag name. */
  readonly settings: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** More lines for its help page. */
  readonly details?: readonly string[];
  readonly arguments: readonly Argument[];
  readonly flags: readonly Flag[];
  /** Settings that the command takes as flags. */
  readonly settings?: "edge" | "agent";
  /** Keys of the settings that its help lists; the rest is listed with --all. */
  readonly commonKeys?: readonly string[];
  /** Does the work and returns the exit code. Imports its code only then. */
  readonly run: (call: Call) => Promise<number>;
}

const helpFlag: Flag = { name: "help", short: "h", help: "Show this help." };

/** The settings that a command takes, in order of declaration. */
export function settingsFor(command: Command): NamedSetting[] {
  if (command.settings === undefined) return [];
  return settingsOf(command.settings === "edge" ? edgeSettings : agentSettings);
}

/** All flags of a command: its own, those of its settings that are not among them, --help. */
export function flagsFor(command: Command): Flag[] {
  const own = new Set(command.flags.map((flag) => flag.name));
  return [
    ...command.flags,
    ...settingsFor(command).filter(({ flag }) => !own.has(flag)).map((
      { key, environment, flag, setting },
    ): Flag => ({
      name: flag,
      help: setting.help,
      placeholder: setting.placeholder,
      environment,
      key,
      file: setting.placeholder === "FILE" || setting.placeholder === "DIR",
    })),
    helpFlag,
  ];
}
