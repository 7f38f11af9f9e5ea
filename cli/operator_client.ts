/** Control, asked with an operator's token: that of the edge on this machine unless another is named. */
import { ControlClient } from "../agent/mod.ts";
import { agentDefaults, defaultStateDirectory, readSecretFile } from "../src/config/mod.ts";
import { readAuthorities, systemClock } from "../src/driver/mod.ts";
import type { Call } from "./command.ts";

/**
 * Reads the flags --control, --token-file and --ca-file. Throws what `use` throws, `config_value_invalid`, `ca_certificates_invalid` and the codes of secret
 * files.
 */
export async function withOperatorClient<T>(
  call: Call,
  use: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const { control, "token-file": tokenFile, "ca-file": caFile } = call.values;
  const path = tokenFile ?? `${defaultStateDirectory("edge", call.env)}/management.token`;
  const client = new ControlClient({
    url: agentDefaults(control === undefined ? {} : { control }).control,
    clock: systemClock,
    caCerts: caFile === undefined ? undefined : [await readAuthorities(caFile)],
    token: async () => (await readSecretFile(path, Deno)).secret,
  });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
