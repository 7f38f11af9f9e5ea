import type { TpmAddress } from "../src/config/mod.ts";
import type { Terminal } from "./terminal.ts";

/** Where the TPM has standard output, results go to standard error: to the device each write is a command. */
export function terminalBeside(tpm: TpmAddress | null, terminal: Terminal): Terminal {
  return tpm?.kind === "stdio" ? { ...terminal, out: (text) => terminal.err(text) } : terminal;
}
