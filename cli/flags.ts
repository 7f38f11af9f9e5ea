/** Flags of several commands. */
import type { Flag } from "./command.ts";

export const configFlag: Flag = {
  name: "config",
  short: "c",
  help: "Configuration file in YAML.",
  placeholder: "FILE",
  environment: "POSTERN_CONFIG",
  file: true,
};
export const jsonFlag: Flag = { name: "json", help: "Print one JSON object, errors included." };

/** Of commands that ask control with an operator's token. */
export const operatorFlags: readonly Flag[] = [
  {
    name: "control",
    help: "Control plane, or several of one cluster; http://127.0.0.1:8080 when absent.",
    placeholder: "URL,...",
    environment: "POSTERN_CONTROL",
  },
  {
    name: "token-file",
    help: "File with an operator's token.",
    placeholder: "FILE",
    environment: "POSTERN_TOKEN_FILE",
    file: true,
  },
  {
    name: "ca-file",
    help: "Extra certificate authorities in PEM.",
    placeholder: "FILE",
    environment: "POSTERN_CA_FILE",
    file: true,
  },
];

/** Settings of an agent that the help of a command lists. */
export const agentKeys = ["control", "token_file", "tpm", "ca_file", "proxy", "state_directory", "log.level"];
