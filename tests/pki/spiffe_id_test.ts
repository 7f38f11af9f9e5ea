import assert from "node:assert/strict";
import fc from "fast-check";
import { codeOf } from "../../src/errors/mod.ts";
import { formatSpiffeId, isNodeId, nodeRoles, parseSpiffeId } from "../../src/pki/mod.ts";

Deno.test("parseSpiffeId() reads back what formatSpiffeId() wrote", () => {
  const id = fc.string({ unit: fc.constantFrom(..."aB9._-"), minLength: 1, maxLength: 64 }).filter(isNodeId);
  fc.assert(fc.property(fc.constantFrom(...nodeRoles), id, (role, id) => {
    const spiffeId = { trustDomain: "tunnel.test", role, id };
    assert.deepEqual(parseSpiffeId(formatSpiffeId(spiffeId)), spiffeId);
  }));
});

Deno.test("parseSpiffeId() takes one spelling only: spiffe_id_malformed", () => {
  for (
    const text of [
      "",
      "SPIFFE://tunnel.test/edge/e1",
      "spiffe://Tunnel.test/edge/e1",
      "spiffe://tunnel.test:443/edge/e1",
      "spiffe://user@tunnel.test/edge/e1",
      "spiffe://tunnel.test/edge/e1/",
      "spiffe://tunnel.test/edge/e1#x",
      "spiffe://tunnel.test/edge/e%31",
      "spiffe://tunnel.test//e1",
      "spiffe://tunnel.test/edge",
      "spiffe://tunnel.test/Edge/e1",
      "spiffe://tunnel.test/edge/..",
      "spiffe://tunnel.test/edge/a..b",
      `spiffe://tunnel.test/edge/${"a".repeat(65)}`,
      `spiffe://${"a".repeat(400)}/edge/e1`,
    ]
  ) {
    assert.throws(() => parseSpiffeId(text), (error) => codeOf(error) === "spiffe_id_malformed", text);
  }
  assert.throws(
    () => formatSpiffeId({ trustDomain: "tunnel.test", role: "edge", id: "a/b" }),
    (error) => codeOf(error) === "spiffe_id_malformed",
  );
});
