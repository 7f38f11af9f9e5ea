import assert from "node:assert/strict";
import { measuredProvider } from "../../agent/measured_provider.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

Deno.test("measuredProvider() counts and times proofs, those that failed too, and changes nothing else", async () => {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const failures: PosternError[] = [];
  const provider = measuredProvider(
    {
      kind: "tpm",
      agentId: "agent-a",
      prove({ qualifyingData }, signal) {
        clock.advance(200);
        assert.equal(signal?.aborted, false);
        return failures.length === 0
          ? Promise.resolve({ kind: "tpm", length: qualifyingData.length })
          : Promise.reject(failures[0]);
      },
    },
    metrics,
    clock,
  );
  assert.deepEqual([provider.kind, provider.agentId], ["tpm", "agent-a"]);
  const ask = () => provider.prove({ qualifyingData: new Uint8Array(32) }, new AbortController().signal);
  assert.deepEqual(await ask(), { kind: "tpm", length: 32 });
  failures.push(new PosternError("tpm_unavailable"));
  await assert.rejects(ask(), { code: "tpm_unavailable" });
  const page = await metrics.registry.metrics();
  assert.match(page, /^postern_proofs_total\{kind="tpm",result="ok",code="none"\} 1$/m);
  assert.match(page, /^postern_proofs_total\{kind="tpm",result="failed",code="tpm_unavailable"\} 1$/m);
  assert.match(page, /^postern_proof_seconds_bucket\{le="0.25"\} 2$/m);
  assert.match(page, /^postern_proof_seconds_sum 0.4$/m);
});
