import type { EvidenceProvider } from "../src/attestation/mod.ts";
import { codeOf } from "../src/errors/mod.ts";
import type { Clock } from "../src/ports/mod.ts";
import type { Metrics } from "../src/telemetry/mod.ts";

/** The provider, its proofs counted and timed. */
export function measuredProvider(
  provider: EvidenceProvider,
  metrics: Pick<Metrics, "proofs" | "proofSeconds">,
  clock: Clock,
): EvidenceProvider {
  const { kind, agentId } = provider;
  return {
    kind,
    agentId,
    async prove(question, signal) {
      const startedAt = clock.now();
      try {
        const evidence = await provider.prove(question, signal);
        metrics.proofs.inc({ kind, result: "ok", code: "none" });
        return evidence;
      } catch (error) {
        metrics.proofs.inc({ kind, result: "failed", code: codeOf(error) });
        throw error;
      } finally {
        metrics.proofSeconds.observe((clock.now() - startedAt) / 1_000);
      }
    },
  };
}
