/** How a node shows control, at its enrollment, that this machine's TPM takes part. */
import type { AgentConfig, TpmAddress } from "../../src/config/mod.ts";
import type { Clock, Random } from "../../src/ports/mod.ts";
import type { ControlClient } from "../control_client.ts";
import { proveEk } from "../enrollment.ts";
import type { EkProof } from "../identity_messages.ts";
import { openTpm } from "../tpm/mod.ts";

/** What it returns throws what opening the TPM and beginning an enrollment throw. */
export function ekProver(
  { tpmEk }: Pick<AgentConfig, "tpmEk">,
  address: TpmAddress,
  control: Pick<ControlClient, "beginEnrollment">,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): (token: string) => Promise<EkProof> {
  return async (token) => {
    const tpm = await openTpm(address, { clock, random, ...(tpmEk === null ? {} : { ek: tpmEk }) });
    return await proveEk(tpm, control, token, never);
  };
}

/** The client bounds the time by itself, and so does the TPM's. */
const never = new AbortController().signal;
