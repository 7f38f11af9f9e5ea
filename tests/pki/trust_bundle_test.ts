import assert from "node:assert/strict";
import { fromBase64Url, toBase64Url, utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import {
  readHeldBundle,
  type SignedDocument,
  signTrustBundle,
  type TrustBundle,
  verifyPinnedBundle,
  verifyTrustBundle,
} from "../../src/pki/mod.ts";
import { MadeCluster } from "../support/made_cluster.ts";

function refused(code: string, action: () => unknown): void {
  assert.throws(action, (error) => (assert.equal(codeOf(error), code), true));
}

const facts = ({ roots, issuers, ...rest }: TrustBundle) => ({
  ...rest,
  authorities: [...roots, ...issuers].map(({ certificate, ...times }) => ({
    sha256: certificate.sha256,
    ...times,
  })),
});

/** The payload is another one, the signatures are what they were. */
function altered(
  document: SignedDocument,
  change: (payload: Record<string, unknown>) => void,
): SignedDocument {
  const payload = JSON.parse(utf8Decode(fromBase64Url(document.payload)));
  change(payload);
  return { ...document, payload: toBase64Url(utf8(JSON.stringify(payload))) };
}

Deno.test("verifyPinnedBundle() believes the bootstrap CA that a token pins, and nobody else", async () => {
  const cluster = await MadeCluster.make();
  const { bootstrap, issuing, root } = cluster;
  const document = await signTrustBundle(cluster.bundle(), [issuing, bootstrap]);
  const pin = bootstrap.certificate.sha256;
  assert.deepEqual(facts(verifyPinnedBundle(document, pin)), facts(cluster.bundle()));
  refused("trust_bundle_unproven", () => verifyPinnedBundle(document, root.certificate.sha256));
  refused("trust_bundle_unproven", () => verifyPinnedBundle(document, issuing.certificate.sha256));
  refused(
    "trust_bundle_unproven",
    () => verifyPinnedBundle(altered(document, (payload) => payload.version = 2), pin),
  );
  const stranger = await MadeCluster.make();
  const theirs = await signTrustBundle(stranger.bundle(), [stranger.bootstrap]);
  refused("trust_bundle_unproven", () => verifyPinnedBundle(theirs, pin));
});

Deno.test("verifyTrustBundle() asks the held bundle: an issuing CA signs what follows, a root what has new roots", async () => {
  const cluster = await MadeCluster.make();
  const { issuing, root, nowMs, bootstrap } = cluster;
  const held = cluster.bundle();
  const next = await cluster.another();
  const issuers = [...held.issuers, { certificate: next.certificate, acceptedFromMs: nowMs }];
  const second = cluster.bundle({ version: 2, issuers });
  const document = await signTrustBundle(second, [issuing]);
  assert.deepEqual(facts(verifyTrustBundle(document, held, nowMs)), facts(second));
  assert.deepEqual(
    facts(verifyTrustBundle(await signTrustBundle(second, [root]), held, nowMs)),
    facts(second),
  );
  for (const signer of [next, bootstrap]) {
    const unknown = await signTrustBundle(second, [signer]);
    refused("trust_bundle_unproven", () => verifyTrustBundle(unknown, held, nowMs));
  }
  const retired = cluster.bundle({
    issuers: [{ certificate: issuing.certificate, acceptedFromMs: 0, acceptedUntilMs: nowMs }],
  });
  refused("trust_bundle_unproven", () => verifyTrustBundle(document, retired, nowMs));

  const other = await MadeCluster.make();
  const rooted = cluster.bundle({
    version: 2,
    roots: [...held.roots, { certificate: other.root.certificate, acceptedFromMs: nowMs }],
  });
  const byIssuing = await signTrustBundle(rooted, [issuing]);
  refused("trust_bundle_unproven", () => verifyTrustBundle(byIssuing, held, nowMs));
  const byBoth = await signTrustBundle(rooted, [issuing, root]);
  assert.equal(verifyTrustBundle(byBoth, held, nowMs).roots.length, 2);
});

Deno.test("verifyTrustBundle() refuses older ones, other clusters and documents of another kind", async () => {
  const cluster = await MadeCluster.make();
  const { issuing, nowMs } = cluster;
  const held = cluster.bundle({ version: 2 });
  const older = await signTrustBundle(cluster.bundle(), [issuing]);
  refused("trust_bundle_rollback", () => verifyTrustBundle(older, held, nowMs));
  const foreign = await signTrustBundle(cluster.bundle({ version: 3, trustDomain: "other.test" }), [issuing]);
  refused("trust_bundle_foreign", () => verifyTrustBundle(foreign, held, nowMs));
  refused("trust_bundle_malformed", () => verifyTrustBundle({}, held, nowMs));
  refused("trust_bundle_malformed", () => verifyTrustBundle({ payload: "e30", signatures: [] }, held, nowMs));
  const odd = await signTrustBundle({ ...held, version: 0 }, [issuing]);
  refused("trust_bundle_malformed", () => verifyTrustBundle(odd, held, nowMs));
});

Deno.test("readHeldBundle() refuses authorities that do not belong together: trust_bundle_malformed", async () => {
  const cluster = await MadeCluster.make();
  const other = await MadeCluster.make();
  const { leaf } = await cluster.node("connector", "c1");
  const entry = (certificate: typeof leaf) => ({ certificate, acceptedFromMs: 0 });
  for (
    const broken of [
      cluster.bundle({ roots: [entry(other.root.certificate)] }),
      cluster.bundle({ roots: [entry(cluster.issuing.certificate)] }),
      cluster.bundle({ issuers: [entry(leaf)] }),
      cluster.bundle({ roots: [entry(cluster.bootstrap.certificate)], issuers: [] }),
    ]
  ) {
    const document = await signTrustBundle(broken, [cluster.issuing]);
    refused("trust_bundle_malformed", () => readHeldBundle(document));
  }
  assert.equal(readHeldBundle(await signTrustBundle(cluster.bundle(), [cluster.issuing])).version, 1);
});
