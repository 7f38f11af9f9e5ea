/** Checks of the TPM that the agent would use. */
import { openTpm, type Tpm, type TpmState } from "../../agent/mod.ts";
import { toHex } from "../../src/bytes/mod.ts";
import { type AgentConfig, formatTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { codeOf, type ErrorCode } from "../../src/errors/mod.ts";
import { type Check, fail, pass, skip } from "./check.ts";

/** Objects that opening a credential loads at once: endorsement key and attestation key. */
const neededSlots = 2;
/** Of a TPM that answers, but has no key that a maker vouches for. */
const withoutIdentity: ReadonlySet<ErrorCode> = new Set(["tpm_ek_certificate_missing", "tpm_ek_mismatch"]);

/** Later checks rely on earlier ones; a TPM that does not answer is one FAIL. */
export function tpmChecks({ tpm: address, tpmEk }: Pick<AgentConfig, "tpm" | "tpmEk">): Check[] {
  if (address === null) {
    return [{ name: "tpm", run: () => skip("off: the agent's key is a file, and its tier is bound-key") }];
  }
  const at = formatTpmAddress(address);
  let found: { tpm: Tpm; state: TpmState } | undefined;
  let withoutKey: unknown;
  const further = (name: string, run: (tpm: Tpm, state: TpmState) => ReturnType<Check["run"]>): Check => ({
    name,
    run: () => found === undefined ? skip("no TPM with a certified key") : run(found.tpm, found.state),
  });
  return [
    {
      name: "tpm",
      async run() {
        try {
          const tpm = await openTpm(address, {
            clock: systemClock,
            random: systemRandom,
            ek: tpmEk ?? undefined,
          });
          const state = await tpm.state();
          found = { tpm, state };
          return pass(
            `${at}: ${state.manufacturer} ${state.model}, banks ${[...state.banks.keys()].join(", ")}`,
          );
        } catch (error) {
          if (!withoutIdentity.has(codeOf(error))) throw error;
          withoutKey = error;
          return pass(`${at} answers`);
        }
      },
    },
    {
      name: "tpm_ek_certificate",
      run() {
        if (withoutKey !== undefined) throw withoutKey;
        return found === undefined
          ? skip("the TPM does not answer")
          : pass(`${found.tpm.ekTemplate}, SHA-256 ${found.tpm.ekSha256}: ${found.tpm.agentId}`);
      },
    },
    further("tpm_quote", async (tpm) => {
      const { values } = await tpm.quote({ qualifyingData: systemRandom(32) });
      return pass(`${values.size} PCRs by key ${toHex(tpm.akName)}`);
    }),
    further("tpm_slots", (_tpm, { transientSlots, loadedObjects }) => {
      const text = `${loadedObjects} objects are loaded, ${transientSlots} fit`;
      return transientSlots - loadedObjects >= neededSlots
        ? pass(text)
        : fail(text, "Another program leaves objects in the TPM: let both use /dev/tpmrm0.");
    }),
  ];
}
