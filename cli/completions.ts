/** Completion scripts for shells, made from the table of commands. Pure: they ask nothing at completion time. */
import { CATALOGUE } from "../src/errors/mod.ts";
import type { LogLevel } from "../src/ports/mod.ts";
import { type Command, type Flag, flagsFor } from "./command.ts";

const logLevels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = typeof shells[number];

/** The script for one shell. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  switch (shell) {
    case "bash":
      return bash(commands);
    case "zsh":
      return zsh(commands);
    case "fish":
      return fish(commands);
    default:
      return shell satisfies never;
  }
}

function argumentWords(command: Command, commands: readonly Command[]): string[] {
  return command.arguments.flatMap(({ words, offers }) => {
    if (words !== undefined) return words;
    switch (offers) {
      case undefined:
        return [];
      case "commands":
        return commands.map(({ name }) => name);
      case "codes":
        return Object.keys(CATALOGUE).sort();
      default:
        return offers satisfies never;
    }
  });
}

/** The words that a placeholder such as `auto|true|false` spells out; those in capitals stand for something else. */
function valueWords(flag: Flag): string[] {
  if (flag.placeholder === "BOOL") return ["true", "false"];
  if (flag.placeholder === "LEVEL") return [...logLevels];
  if (flag.placeholder?.includes("/")) return []; // COUNT/s|m|h: no word by itself
  return flag.placeholder?.split("|").filter((word) => /^[a-z][a-z0-9-]*$/.test(word)) ?? [];
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const flags = flagsFor(command);
    const words = [...argumentWords(command, commands), ...flags.map((flag) => `--${flag.name}`)].join(" ");
    const choices = flags.filter((flag) => valueWords(flag).length > 0);
    const takers = flags.filter((flag) =>
      flag.placeholder !== undefined && !flag.file && !choices.includes(flag)
    )
      .map((flag) => `--${flag.name}`);
    const files = flags.filter((flag) => flag.file).map((flag) => `--${flag.name}`);
    return [
      `    ${command.name})`,
      '      case "$previous" in',
      ...(files.length > 0
        ? [`        ${files.join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;`]
        : []),
      ...choices.map((flag) =>
        `        --${flag.name}) COMPREPLY=($(compgen -W "${
          valueWords(flag).join(" ")
        }" -- "$current")); return ;;`
      ),
      ...(takers.length > 0 ? [`        ${takers.join("|")}) return ;;`] : []),
      "      esac",
      `      COMPREPLY=($(compgen -W "${words}" -- "$current")) ;;`,
    ].join("\n");
  });
  return `# postern completions bash: put into /etc/bash_completion.d or source from ~/.bashrc
_postern() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map((command) => command.name).join(" ")}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
}
complete -F _postern postern
`;
}

/** Text inside single quotes of a POSIX-like shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function zshValues(flag: Flag): string {
  const words = valueWords(flag);
  return words.length > 0 ? `(${words.join(" ")})` : "";
}

function zsh(commands: readonly Command[]): string {
  const escape = (text: string) => text.replaceAll(/[\\:[\]]/g, "\\$&");
  const cases = commands.map((command) => {
    const specs = flagsFor(command).map((flag) => {
      const value = flag.placeholder === undefined
        ? ""
        : `:${escape(flag.placeholder)}:${flag.file ? "_files" : zshValues(flag)}`;
      return quote(`--${flag.name}[${escape(flag.help)}]${value}`);
    });
    const words = argumentWords(command, commands);
    if (words.length > 0) specs.push(quote(`1:argument:(${words.join(" ")})`));
    return `    ${command.name}) _arguments ${specs.join(" ")} ;;`;
  });
  return `#compdef postern
# postern completions zsh: put into a directory of $fpath as _postern
_postern() {
  local -a commands
  commands=(${commands.map((command) => quote(`${command.name}:${escape(command.summary)}`)).join(" ")})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$name" in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_postern" ]; then _postern "$@"; else compdef _postern postern; fi
`;
}

function fish(commands: readonly Command[]): string {
  // Inside single quotes fish knows two escapes: \\\\ and \\'.
  const text = (value: string) => `'${value.replaceAll(/[\\']/g, "\\$&")}'`;
  const lines = [
    "# postern completions fish: put into ~/.config/fish/completions/postern.fish",
    "complete -c postern -f",
  ];
  for (const command of commands) {
    lines.push(`complete -c postern -n __fish_use_subcommand -a ${command.name} -d ${text(command.summary)}`);
    const here = `complete -c postern -n '__fish_seen_subcommand_from ${command.name}'`;
    const words = argumentWords(command, commands);
    if (words.length > 0) lines.push(`${here} -a ${text(words.join(" "))}`);
    for (const flag of flagsFor(command)) {
      const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
      const choices = valueWords(flag);
      const value = flag.placeholder === undefined
        ? ""
        : flag.file
        ? " -r -F"
        : choices.length > 0
        ? ` -x -a ${text(choices.join(" "))}`
        : " -x";
      lines.push(`${here} -l ${flag.name}${short}${value} -d ${text(flag.help)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
