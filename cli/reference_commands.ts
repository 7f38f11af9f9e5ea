/** The commands that explain this program, or need none of its parts. */
import type { Command } from "./command.ts";
import { shells } from "./completions.ts";
import { jsonFlag } from "./flags.ts";

export const hashPasswordCommand: Command = {
  name: "hash-password",
  summary: "Hash a password for the users of a service.",
  details: [
    "Reads the password from standard input, never from the command line. With NAME it prints a line for the file that",
    "--basic-auth-file takes.",
    "Example: postern hash-password ann < password.txt >> shop.users",
  ],
  arguments: [{ name: "NAME", help: "Name of the user.", required: false }],
  flags: [],
  run: async (call) => (await import("./commands/hash_password.ts")).runHashPassword(call),
};

export const versionCommand: Command = {
  name: "version",
  summary: "Print the version.",
  arguments: [],
  flags: [jsonFlag],
  run: async (call) => (await import("./commands/version.ts")).runVersion(call),
};

export const completionsCommand: Command = {
  name: "completions",
  summary: "Print a completion script for a shell.",
  details: ["Example: postern completions bash > /etc/bash_completion.d/postern"],
  arguments: [{ name: "SHELL", help: `${shells.join(", ")}.`, required: true, words: shells }],
  flags: [],
  run: async (call) => (await import("./commands/completions.ts")).runCompletions(call),
};

export const explainCommand: Command = {
  name: "explain",
  summary: "Tell what an error code means and what to do.",
  details: ["Example: postern explain name_taken"],
  arguments: [{
    name: "CODE",
    help: "What stands in error[CODE], in a log line or on an error page.",
    required: true,
    offers: "codes",
  }],
  flags: [jsonFlag],
  run: async (call) => (await import("./commands/explain.ts")).runExplain(call),
};

export const helpCommand: Command = {
  name: "help",
  summary: "Show help, or the help of one command or error code.",
  arguments: [{
    name: "COMMAND",
    help: "A command, or an error code.",
    required: false,
    offers: "commands",
  }],
  flags: [{ name: "all", help: "List every setting of the command." }],
  run: async (call) => (await import("./commands/help.ts")).runHelp(call),
};
