/** Finds out who the TPM on standard input and output is, twice, and says so on standard error. */
import { openTpm } from "../../../agent/tpm/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";

const LINE_FEED = 0x0a;
const say = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
try {
  const tpm = await openTpm({ kind: "stdio" }, { clock: systemClock, random: systemRandom });
  say(tpm.agentId);
  const { values } = await tpm.quote({ qualifyingData: new Uint8Array(32).fill(LINE_FEED) });
  say(`quoted ${values.size} PCRs`);
  for (const attempt of ["first", "second"]) {
    try {
      await tpm.state();
      say(`${attempt}: answered`);
    } catch (error) {
      say(`${attempt}: ${codeOf(error)}`);
    }
  }
} catch (error) {
  say(codeOf(error));
}
