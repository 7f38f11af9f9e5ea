/** Which protection the secret files of a node have. */
import type { AgentConfig } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Clock, Log, Random } from "../../src/ports/mod.ts";
import { TpmSealer } from "../tpm/mod.ts";
import { SealedFiles } from "./sealed_files.ts";
import { plainFiles, type SecretFiles } from "./secret_files.ts";

/** As the settings `identity_seal` and `tpm` say. Throws `identity_seal_no_tpm`. */
export function secretFilesOf(
  { identitySeal, identitySealPcrs, tpm: address }: Pick<
    AgentConfig,
    "identitySeal" | "identitySealPcrs" | "tpm"
  >,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): SecretFiles {
  if (identitySeal === "file" || (identitySeal === "auto" && address === null)) return plainFiles;
  if (address === null) {
    throw new PosternError("identity_seal_no_tpm", "Cannot seal identity: no TPM is configured");
  }
  return new SealedFiles({
    sealer: new TpmSealer({ address, clock, random }),
    random,
    log,
    ...(identitySealPcrs.length === 0 ? {} : { pcrs: { bank: "sha256", pcrs: identitySealPcrs } }),
  });
}
