import assert from "node:assert/strict";
import {
  EkChainMemory,
  ekTrustOf,
  noRevocations,
  readCertificate,
  readRevocations,
} from "../../../src/attestation/ek/mod.ts";
import { utf8 } from "../../../src/bytes/mod.ts";
import { authority, ekCertificate, testNowMs } from "../../support/hostile_authority.ts";

const dayMs = 86_400_000;
const root = authority();
const intermediate = authority(root, { notAfterMs: testNowMs + dayMs });
const leaf = ekCertificate(intermediate, { notBeforeMs: testNowMs - dayMs });
const chain = [leaf.der, intermediate.der];
const roots = [readCertificate(root.der)];
const trust = ekTrustOf(roots, noRevocations);

Deno.test("EkChainMemory.check() refuses again and again, and takes what holds", () => {
  const memory = new EkChainMemory();
  for (let i = 0; i < 2; i++) {
    memory.check(chain, trust, testNowMs);
    assert.throws(() => memory.check([leaf.der], trust, testNowMs), { code: "ek_chain_incomplete" });
    assert.throws(() => memory.check([ekCertificate(authority()).der], trust, testNowMs), {
      code: "ek_chain_incomplete",
    });
  }
});

Deno.test("EkChainMemory.check() forgets with the trust, and with the first certificate of the path that expires", () => {
  const memory = new EkChainMemory();
  memory.check(chain, trust, testNowMs);
  memory.check(chain, trust, testNowMs + dayMs + 999);
  assert.throws(() => memory.check(chain, trust, testNowMs + dayMs + 1_000), {
    code: "ek_certificate_expired",
  });
  memory.check(chain, trust, testNowMs - dayMs);
  assert.throws(() => memory.check(chain, trust, testNowMs - dayMs - 1), {
    code: "ek_certificate_not_yet_valid",
  });
  memory.check(chain, trust, testNowMs);
  const { sha256 } = readCertificate(leaf.der);
  const list = utf8(JSON.stringify({ version: 1, certificates: [{ sha256 }] }));
  const revoking = ekTrustOf(roots, readRevocations(list, "list.json"));
  assert.throws(() => memory.check(chain, revoking, testNowMs), { code: "ek_certificate_revoked" });
  memory.check(chain, trust, testNowMs);
});
