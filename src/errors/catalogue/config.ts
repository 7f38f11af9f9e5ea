/** Failures of command lines, environment and configuration files. */
import type { ErrorFacts } from "../error.ts";

export const CONFIG_ERRORS = {
  config_file_unreadable: {
    title: "The configuration file cannot be read",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The file given with --config or POSTERN_CONFIG does not exist, is not a regular file, or is not readable.",
    remedy: "Check the path, and that the user who runs Postern may read the file.",
  },
  config_file_too_large: {
    title: "The configuration file is too large",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file is longer than 1 MiB, so it is most likely not a configuration file.",
    remedy: "Check the path. Keep certificates and tokens in files of their own.",
  },
  config_syntax_invalid: {
    title: "The configuration file is not valid YAML",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The file breaks a rule of YAML 1.2, or uses anchors, aliases or tags, which Postern does not accept.",
    remedy: "Correct the file at the line and column in the message.",
  },
  config_version_unsupported: {
    title: "The version of the configuration file is not supported",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file has no `version: 1` at its top level, or another version.",
    remedy: "Add `version: 1`, or install the release of Postern that the file was written for.",
  },
  config_key_unknown: {
    title: "The configuration file has an unknown key",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "A key is misspelt, or stands at the wrong level. Unknown keys are refused, never ignored.",
    remedy: "Correct the key; `postern config edge` and `postern config agent` list all of them.",
  },
  config_value_invalid: {
    title: "A setting has a value that is not accepted",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "A flag, an environment variable or a key of the file holds a value in another notation or out of range.",
    remedy: "Give a value as the message describes it. Durations need a unit: 30s, 5m, 250ms.",
  },
  config_conflict: {
    title: "Two settings contradict each other",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "Each value is accepted by itself, but not together with another one.",
    remedy:
      "Change one of the two settings that the message names; `postern config` shows where each comes from.",
  },
  config_services_missing: {
    title: "The configuration names no services",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "An agent publishes the services listed under `services` in its file, and there are none.",
    remedy:
      "Give a file with services by --config (`postern help agent` shows one), or publish one service with " +
      "`postern http 8080`.",
  },
  secret_file_unreadable: {
    title: "A secret file cannot be read",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The file does not exist, is not a regular file, is empty, is longer than 64 KiB, or is not readable.",
    remedy: "Check the path, and that the user who runs Postern may read the file.",
  },
  secret_file_exists: {
    title: "The file for the secret exists already",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "A secret was to be written into a new file, and there is one of that name: it may hold another secret.",
    remedy: "Name another file, or replace this one with --force.",
  },
  secret_file_permissions: {
    title: "A secret file is open to others",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "Everybody on this machine may read or write the file, so the secret in it is not one.",
    remedy: "Run `chmod 600 FILE`, and replace the secret if others use this machine.",
  },
  cli_command_unknown: {
    title: "There is no such command",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The first word is not a command of this version.",
    remedy: "Run `postern help` for the list of commands.",
  },
  cli_flag_unknown: {
    title: "The command has no such flag",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The flag is misspelt, belongs to another command, or was given a value although it takes none.",
    remedy: "Run `postern help COMMAND`, or `postern help COMMAND --all` for every setting.",
  },
  cli_flag_value_missing: {
    title: "A flag or its value is missing",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The command cannot do without the flag, or the flag stands at the end of the command line, in front of another " +
      "flag, or with an empty value.",
    remedy: "Add what the message names: --flag VALUE or --flag=VALUE.",
  },
  cli_flag_repeated: {
    title: "A flag is given twice",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The same flag stands twice on the command line, so it is not clear which value is meant. Only flags of lists may be repeated.",
    remedy: "Remove one of them.",
  },
  cli_argument_missing: {
    title: "The command needs an argument",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "An argument that the command cannot do without is absent.",
    remedy: "Run `postern help COMMAND` for the usage line.",
  },
  cli_argument_unexpected: {
    title: "The command takes no such argument",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "There are more arguments than the command takes, or one is none of the words it accepts.",
    remedy: "Run `postern help COMMAND` for the usage line.",
  },
  cli_target_invalid: {
    title: "The target is not an address",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "A target is a port, HOST:PORT, or for http also http://HOST:PORT without a path.",
    remedy: "Write for example 8080, 127.0.0.1:8080 or http://localhost:3000.",
  },
  status_unreachable: {
    title: "Nothing answers at the status address",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "No edge or agent listens at its admin address, or what listens there is not Postern.",
    remedy: "Start it, or give its address with --admin-listen.",
  },
  checks_failed: {
    title: "A check failed",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "At least one check of `postern diag` says FAIL.",
    remedy: "Follow the hint behind each FAIL line, then run `postern diag` again.",
  },
} as const satisfies Record<string, ErrorFacts>;
