import assert from "node:assert/strict";
import { readNodeCertificate } from "../../src/pki/mod.ts";
import { isSignedBy } from "../../src/pki/signed_by.ts";
import { MadeCluster } from "../support/made_cluster.ts";

Deno.test("isSignedBy() tells each time who signed, and remembers nothing of who did not", async () => {
  const cluster = await MadeCluster.make();
  const other = await cluster.another();
  const { leaf } = await cluster.node("connector", "c1");
  const spoiled = Uint8Array.from(leaf.bytes);
  spoiled[spoiled.length - 1] ^= 1;
  for (let time = 0; time < 3; time++) {
    assert.equal(isSignedBy(leaf, cluster.issuing.certificate), true);
    assert.equal(isSignedBy(leaf, other.certificate), false);
    assert.equal(isSignedBy(leaf, cluster.root.certificate), false);
    assert.equal(isSignedBy(readNodeCertificate(spoiled), cluster.issuing.certificate), false);
  }
});
