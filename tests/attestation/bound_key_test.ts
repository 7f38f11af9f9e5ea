import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import {
  agentIdOf,
  boundKeyProvider,
  boundKeyVerifier,
  type Evidence,
  type EvidenceContext,
  judgeEvidence,
  qualifyingData,
} from "../../src/attestation/mod.ts";
import { concat, fromHex, toBase64Url, toHex, utf8 } from "../../src/bytes/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";

const filled = (value: number) => new Uint8Array(32).fill(value);
const context: EvidenceContext = {
  purpose: "channel-open",
  sessionNonce: filled(1),
  authorityNonce: filled(2),
  handshakeHash: filled(3),
  agentStatic: filled(4),
  policyVersion: "default@1",
};

async function prove(about: EvidenceContext = context): Promise<Evidence> {
  const provider = await boundKeyProvider(filled(9));
  return await provider.prove({
    qualifyingData: qualifyingData({ ...about, agentId: provider.agentId }),
  });
}

async function codeOfVerify(evidence: Evidence, about = context): Promise<string> {
  return await boundKeyVerifier.verify(evidence, about).then((verdict) => verdict.tier, codeOf);
}

Deno.test("qualifyingData() hashes every field behind its length", () => {
  const fields = [
    utf8("postern/evidence/v1"),
    utf8("channel-open"),
    filled(1),
    filled(2),
    filled(3),
    filled(4),
    utf8("agent-x"),
    utf8("default@1"),
  ];
  const encoded = concat(...fields.flatMap((field) => [Uint8Array.of(0, 0, 0, field.length), field]));
  const expected = createHash("sha256").update(encoded).digest("hex");
  assert.equal(toHex(qualifyingData({ ...context, agentId: "agent-x" })), expected);
});

Deno.test("qualifyingData() refuses an empty nonce", () => {
  assert.throws(
    () => qualifyingData({ ...context, agentId: "a", sessionNonce: new Uint8Array(0) }),
    RangeError,
  );
});

Deno.test("qualifyingData() moves no byte between agent id and policy version", () => {
  fc.assert(fc.property(fc.string(), fc.string(), fc.nat(8), (agentId, policyVersion, at) => {
    const whole = agentId + policyVersion;
    const [left, right] = [whole.slice(0, at), whole.slice(at)];
    const same = left === agentId && right === policyVersion;
    const a = toHex(qualifyingData({ ...context, agentId, policyVersion }));
    const b = toHex(qualifyingData({ ...context, agentId: left, policyVersion: right }));
    // Lone surrogates are all encoded as U+FFFD, so unequal strings can be equal bytes there.
    if (whole.isWellFormed() && left.isWellFormed() && right.isWellFormed()) assert.equal(a === b, same);
  }));
});

Deno.test("agentIdOf() is base32 of the truncated hash of the key", () => {
  const id = agentIdOf(filled(0));
  assert.match(id, /^agent-[a-z2-7]{26}$/);
  // SHA-256 of 32 zero bytes begins 66687aadf862bd776c8fc18b8e9f8e20 (base32 by RFC 4648).
  assert.equal(id, "agent-mzuhvlpymk6xo3epygfy5h4oea");
  assert.notEqual(id, agentIdOf(filled(1)));
});

Deno.test("boundKeyVerifier accepts what boundKeyProvider() proves and names the same agent", async () => {
  const provider = await boundKeyProvider(filled(9));
  const verdict = await judgeEvidence(await prove(), context, [boundKeyVerifier]);
  assert.deepEqual(verdict, { tier: "bound-key", agentId: provider.agentId });
});

Deno.test("boundKeyVerifier refuses evidence for anything else than its context: evidence_signature_invalid", async () => {
  const evidence = await prove();
  const others: Partial<EvidenceContext>[] = [
    { purpose: "channel-reauth" },
    { sessionNonce: filled(8) },
    { authorityNonce: filled(8) },
    { handshakeHash: filled(8) },
    { agentStatic: filled(8) },
    { policyVersion: "default@2" },
  ];
  for (const other of others) {
    assert.equal(await codeOfVerify(evidence, { ...context, ...other }), "evidence_signature_invalid");
  }
  const stranger = await (await boundKeyProvider(filled(7))).prove({
    qualifyingData: filled(0),
  });
  assert.equal(
    await codeOfVerify({ ...evidence, identity_key: stranger.identity_key }),
    "evidence_signature_invalid",
  );
  // y = 2 is no point of the curve.
  const noPoint = toBase64Url(Uint8Array.from({ length: 32 }, (_, i) => i === 0 ? 2 : 0));
  assert.equal(await codeOfVerify({ ...evidence, identity_key: noPoint }), "evidence_signature_invalid");
});

Deno.test("boundKeyVerifier refuses keys of small order, whatever the sign bit: evidence_key_weak", async () => {
  const evidence = await prove();
  const points = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ];
  for (const point of points) {
    const weak = { ...evidence, identity_key: toBase64Url(fromHex(point)) };
    assert.equal(await codeOfVerify(weak), "evidence_key_weak", point);
  }
});

Deno.test("boundKeyVerifier refuses evidence out of form: evidence_malformed", async () => {
  const evidence = await prove();
  const changes = [
    { identity_key: undefined },
    { identity_key: 7 },
    { identity_key: toBase64Url(new Uint8Array(31)) },
    { identity_key: "_".repeat(43) },
    { signature: "" },
    { signature: `${evidence.signature}=` },
    { signature: "A".repeat(10_000) },
  ];
  for (const change of changes) {
    assert.equal(await codeOfVerify({ ...evidence, ...change }), "evidence_malformed");
  }
});

Deno.test("judgeEvidence() has no verdict on a kind without verifier: evidence_kind_unsupported", async () => {
  const code = await judgeEvidence({ kind: "tpm" }, context, [boundKeyVerifier]).then(() => "judged", codeOf);
  assert.equal(code, "evidence_kind_unsupported");
});
