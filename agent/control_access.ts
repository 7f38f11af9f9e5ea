/** How this machine reaches control, and where it keeps what it learns there: the same for whoever publishes and whoever connects. */
import { type AgentConfig, readSecretFile } from "../src/config/mod.ts";
import { openPrivateDirectory, type ProxyChooser, readAuthorities } from "../src/driver/mod.ts";
import type { Log } from "../src/ports/mod.ts";
import { proxyChooser } from "./egress.ts";
import { TokenFile } from "./token_file.ts";

export interface ControlAccess {
  /** The state directory, for this user only, without a slash at its end. */
  readonly directory: string;
  /** PEM; the system's authorities when absent. */
  readonly caCerts: readonly string[] | undefined;
  readonly proxyFor: ProxyChooser | undefined;
  /** The management token, which is renewed beside its file. */
  readonly tokenFile: TokenFile | undefined;
}

/** Warns of a token that others may read. Throws what reading the CA file, the token and the directory throws. */
export async function openControlAccess(config: AgentConfig, log: Log): Promise<ControlAccess> {
  const directory = config.stateDirectory.replace(/(?<=.)\/+$/, "");
  const caCerts = config.caFile === null ? undefined : [await readAuthorities(config.caFile)];
  const proxyFor = await proxyChooser(config, log);
  const tokenFile = config.tokenFile === null
    ? undefined
    : new TokenFile(config.tokenFile, `${directory}/renewed.token`);
  if (tokenFile !== undefined) {
    const { warning } = await readSecretFile(tokenFile.path, Deno);
    if (warning !== undefined) log("warn", warning);
  }
  await openPrivateDirectory(directory);
  return { directory, caCerts, proxyFor, tokenFile };
}
