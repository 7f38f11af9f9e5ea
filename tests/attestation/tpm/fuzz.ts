/**
 * `deno task fuzz:tpm [MUTATIONS] [SEED]`: breaks TPM structures, keys, certificates, evidence and quotes, a million times unless told
 * otherwise. Exit code 0; 1 with the message that a parser neither refused nor took rightly; 2 for wrong arguments.
 */
// deno-lint-ignore-file no-console
import { fuzz, FuzzFind } from "../../support/fuzz.ts";
import { seeded } from "../../support/mutation.ts";
import { EK_FUZZ_TARGETS } from "../../support/ek_fuzz_targets.ts";
import { TPM_FUZZ_TARGETS } from "../../support/tpm_fuzz_targets.ts";

const defaultMutations = 1_000_000;
const reportEvery = 100_000;

function main(args: readonly string[]): number {
  const [mutations = defaultMutations, seed = 1, ...rest] = args.map(Number);
  if (rest.length > 0 || ![mutations, seed].every(Number.isSafeInteger) || mutations < 1) {
    console.error("Usage: deno task fuzz:tpm [MUTATIONS] [SEED]");
    return 2;
  }
  const startedAt = performance.now();
  const report = (done: number) => {
    const seconds = (performance.now() - startedAt) / 1000;
    console.log(`${done} of ${mutations} mutations, ${seconds.toFixed(1)} s`);
  };
  try {
    const tallies = fuzz([...TPM_FUZZ_TARGETS, ...EK_FUZZ_TARGETS], mutations, seeded(seed), (done) => {
      if (done % reportEvery === 0) report(done);
    });
    for (const [name, { mutations, accepted, refused }] of tallies) {
      const codes = [...refused].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`);
      console.log(`\n${name}: ${mutations} mutations, ${accepted} accepted\n  ${codes.join(", ")}`);
    }
  } catch (error) {
    if (!(error instanceof FuzzFind)) throw error;
    console.error(`${error.message}\n`, error.cause);
    return 1;
  }
  console.log();
  report(mutations);
  return 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
