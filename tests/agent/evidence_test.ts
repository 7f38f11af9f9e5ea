import assert from "node:assert/strict";
import { EvidenceProver } from "../../agent/evidence.ts";
import { boundKeyProvider } from "../../src/attestation/mod.ts";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { codeOf, type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const nonce = (fill: number) => new Uint8Array(32).fill(fill);
const challenge = {
  sessionNonce: nonce(1),
  handshakeHash: nonce(2),
  agentStatic: nonce(3),
  edgeId: "edge-1",
  withinMs: 10_000,
};
const stage1 = `x.${toBase64Url(utf8(JSON.stringify({ tier: "bound-key" })))}.y`;
const never = new AbortController().signal;

/** A prover whose control answers as the test says. */
async function proverWith(
  failures: (ErrorCode | undefined)[] = [],
  reauthTokens: (string | undefined)[] = ["right-1"],
) {
  const clock = new VirtualClock();
  const asked: Record<string, unknown>[] = [];
  const attempts: number[] = [];
  const prover = new EvidenceProver({
    control: {
      // deno-lint-ignore require-await -- what it throws is a rejection
      async challenge(request) {
        asked.push({ ...request });
        attempts.push(clock.now());
        const failure = failures.shift();
        if (failure !== undefined) throw new PosternError(failure);
        return {
          challenge_id: `c${asked.length}`,
          authority_nonce: toBase64Url(nonce(9)),
          policy_version: "default@1",
        };
      },
      evidence: () => {
        const reauth_token = reauthTokens.shift();
        return Promise.resolve({
          stage1_token: stage1,
          ...(reauth_token === undefined ? {} : { reauth_token }),
        });
      },
    },
    provider: await boundKeyProvider(nonce(7)),
    stage0Token: "stage-0",
    clock,
    random: (bytes) => new Uint8Array(bytes).fill(0xff),
  });
  return { prover, clock, asked, attempts };
}

Deno.test("EvidenceProver opens a channel by the stage 0 token, and proves again by the token of the proof before", async () => {
  const { prover, asked } = await proverWith([], ["right-1", undefined, "right-2"]);
  assert.deepEqual(await prover.open(challenge, never), { token: stage1, tier: "bound-key" });
  for (let n = 0; n < 3; n++) assert.equal((await prover.again(challenge, never)).token, stage1);
  assert.deepEqual(
    asked.map(({ stage0_token, reauth_token, purpose }) => [stage0_token, reauth_token, purpose]),
    [
      ["stage-0", undefined, "channel-open"],
      [undefined, "right-1", "channel-reauth"],
      [undefined, "right-1", "channel-reauth"], // an answer without one: the one before still serves
      [undefined, "right-2", "channel-reauth"],
    ],
  );
  assert.ok(asked.every(({ reauth_version }) => reauth_version === 1));
});

Deno.test("EvidenceProver.again() outlasts what may go away by itself, within the time that the edge gives", async () => {
  const { prover, clock, attempts } = await proverWith([
    undefined,
    "control_unreachable",
    "control_timeout",
    "control_unavailable",
  ]);
  await prover.open(challenge, never);
  const proved = prover.again(challenge, never);
  await clock.advanceAsync(3_000);
  assert.equal((await proved).token, stage1);
  assert.equal(attempts.length, 5);
  assert.equal(clock.pending, 0, "nothing is left behind");
});

Deno.test("EvidenceProver.again() gives up at once what control refuses, and at the end of the time what it cannot reach", async () => {
  const refused = await proverWith([undefined, "attestation_failed"]);
  await refused.prover.open(challenge, never);
  await assert.rejects(
    refused.prover.again(challenge, never),
    (error) => codeOf(error) === "attestation_failed",
  );
  assert.equal(refused.clock.pending, 0);
  const away = await proverWith([undefined, ...Array(100).fill("control_unreachable")]);
  await away.prover.open(challenge, never);
  const proved = away.prover.again(challenge, never).then(() => "proved", codeOf);
  await away.clock.advanceAsync(10_000);
  assert.equal(await proved, "control_unreachable");
  assert.ok(away.attempts.length > 5 && away.attempts.length < 20, `${away.attempts.length} attempts`);
  assert.equal(away.clock.pending, 0);
});

Deno.test("EvidenceProver.again() needs control's token for it: attestation_unknown", async () => {
  const { prover, asked } = await proverWith([], [undefined]);
  await prover.open(challenge, never);
  await assert.rejects(prover.again(challenge, never), (error) => codeOf(error) === "attestation_unknown");
  assert.equal(asked.length, 1);
});

Deno.test("EvidenceProver.again() ends with its session", async () => {
  const { prover, clock } = await proverWith([undefined, ...Array(10).fill("control_unreachable")]);
  await prover.open(challenge, never);
  const session = new AbortController();
  const proved = prover.again(challenge, session.signal).then(() => "proved", codeOf);
  await clock.advanceAsync(100);
  session.abort();
  assert.equal(await proved, "control_unreachable");
  assert.equal(clock.pending, 0);
});
