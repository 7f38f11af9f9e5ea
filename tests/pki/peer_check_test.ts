import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import {
  type Authority,
  chainOfPem,
  checkPeerCertificate,
  peerClockSkewMs,
  type PeerExpectation,
  pemOfChain,
  revocationsGraceMs,
  type VerifiedPeer,
} from "../../src/pki/mod.ts";
import { MadeCluster, pemOfKey } from "../support/made_cluster.ts";
import { Process } from "../support/process.ts";
import { TempDir } from "../support/temp_dir.ts";

let cluster: MadeCluster;
let stranger: MadeCluster;
let folder: TempDir;
Deno.test.beforeAll(async () => {
  cluster = await MadeCluster.make("tunnel.test", Date.now());
  stranger = await MadeCluster.make("tunnel.test", cluster.nowMs);
  folder = await TempDir.make("pki");
});
Deno.test.afterAll(() => folder[Symbol.asyncDispose]());

async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await Process.run("openssl", { args });
  assert.equal(code, 0, stderr);
  return stdout;
}

let files = 0;
/** A certificate that openssl makes under an authority of the cluster, with these extensions. */
async function hostile(
  lines: readonly string[],
  options: { issuing?: Authority; subject?: string; newKey?: readonly string[] } = {},
): Promise<Uint8Array[]> {
  const { issuing = cluster.issuing, subject = "/", newKey = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] } =
    options;
  const stem = folder.file(`${++files}`);
  await Deno.writeTextFile(`${stem}.ca.pem`, pemOfChain([issuing.certificate.bytes]));
  await Deno.writeTextFile(`${stem}.ca.key`, await pemOfKey(issuing.privateKey));
  await Deno.writeTextFile(`${stem}.cnf`, lines.join("\n"));
  await openssl(
    ...["req", "-new", "-newkey", ...newKey, "-nodes", "-subj", subject, "-keyout", `${stem}.key`],
    ...["-out", `${stem}.csr`],
  );
  await openssl(
    ...["x509", "-req", "-sha256", "-in", `${stem}.csr`, "-CA", `${stem}.ca.pem`, "-CAkey", `${stem}.ca.key`],
    ...["-set_serial", `0x${crypto.randomUUID().replaceAll("-", "").slice(0, 30)}`, "-days", "2"],
    ...["-extfile", `${stem}.cnf`, "-out", `${stem}.pem`],
  );
  return [...chainOfPem(await Deno.readTextFile(`${stem}.pem`)), issuing.certificate.bytes];
}

const uri = "spiffe://tunnel.test/connector/c1";
const usual = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "extendedKeyUsage=serverAuth,clientAuth",
];
const named = (names: string) => [...usual, `subjectAltName=critical,${names}`];
const without = (name: string, line: string) => [
  ...named(`URI:${uri}`).filter((one) => !one.startsWith(name)),
  line,
];

function check(
  chain: readonly Uint8Array[],
  changes: Partial<PeerExpectation> = {},
  of = cluster,
): VerifiedPeer {
  return checkPeerCertificate(chain, of.bundle(), of.revocations(), {
    nowMs: of.nowMs + 60_000,
    usage: "client",
    expectedRole: "connector",
    expectedId: "c1",
    ...changes,
  });
}

function refused(code: string, action: () => unknown): void {
  assert.throws(action, (error) => (assert.equal(codeOf(error), code), true));
}

Deno.test("checkPeerCertificate() takes what the cluster's issuing CA made, and says who it is", async () => {
  const { chain, leaf } = await cluster.node("connector", "c1");
  const peer = check(chain);
  assert.deepEqual(
    [peer.spiffeId, peer.role, peer.id, peer.serial, peer.keySha256],
    [uri, "connector", "c1", leaf.serial, leaf.keySha256],
  );
  assert.equal(peer.endsAtMs, leaf.notAfterMs + 1_000);
  assert.equal(peer.issuerSha256, cluster.issuing.certificate.sha256);
  assert.equal(check(chain.slice(0, 1), { usage: "server" }).id, "c1", "the bundle has the issuing CA");
  assert.equal(check(chain, { expectedRole: ["edge", "connector"] }).role, "connector");
});

Deno.test("checkPeerCertificate() takes one that openssl made under the issuing CA; openssl takes ours", async () => {
  assert.equal(check(await hostile(named(`URI:${uri}`))).id, "c1");
  const { chain } = await cluster.node("connector", "c1");
  await folder.write("root.pem", pemOfChain([cluster.root.certificate.bytes]));
  await folder.write("issuing.pem", pemOfChain(chain.slice(1)));
  await folder.write("leaf.pem", pemOfChain(chain.slice(0, 1)));
  const at = folder.file.bind(folder);
  const verify = ["verify", "-x509_strict", "-CAfile", at("root.pem"), "-untrusted", at("issuing.pem")];
  for (const purpose of ["sslclient", "sslserver"]) {
    await openssl(...verify, "-purpose", purpose, at("leaf.pem"));
  }
  const text = await openssl("x509", "-in", at("leaf.pem"), "-noout", "-text");
  assert.match(text, /URI:spiffe:\/\/tunnel\.test\/connector\/c1/);
});

Deno.test("checkPeerCertificate(): the chain holds in a TLS handshake of Deno", async () => {
  const { chain, keys } = await cluster.node("connector", "c1");
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: pemOfChain(chain),
    key: await pemOfKey(keys.privateKey),
  });
  const accepted = listener.accept().then((conn) => conn.handshake().then(() => conn));
  const conn = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: (listener.addr as Deno.NetAddr).port,
    caCerts: [pemOfChain([cluster.root.certificate.bytes])],
    unsafelyDisableHostnameVerification: true,
  });
  await conn.handshake();
  conn.close();
  (await accepted).close();
  listener.close();
});

Deno.test("checkPeerCertificate() refuses who shows nothing, too much or something else", async () => {
  const { chain } = await cluster.node("connector", "c1");
  refused("peer_certificate_missing", () => check([]));
  refused("peer_chain_too_long", () => check([...chain, ...chain, ...chain]));
  refused("peer_certificate_malformed", () => check([new Uint8Array(9)]));
  refused("peer_certificate_malformed", () => check([new Uint8Array([...chain[0], 0])]));
  const rsa = await hostile(named(`URI:${uri}`), { newKey: ["rsa:2048"] });
  refused("peer_key_unsupported", () => check(rsa));
});

Deno.test("checkPeerCertificate() refuses every certificate with other names than one URI", async () => {
  const two = named(`URI:${uri},URI:spiffe://tunnel.test/connector/c2`);
  for (const lines of [two, named(`URI:${uri},DNS:c1.test`), named("DNS:c1.test"), named("IP:127.0.0.1")]) {
    const chain = await hostile(lines);
    refused("peer_names_wrong", () => check(chain));
  }
  const commonNameOnly = await hostile(usual, { subject: "/CN=connector c1" });
  refused("peer_names_wrong", () => check(commonNameOnly));
  for (
    const odd of ["spiffe://tunnel.test/owner/c1", "https://tunnel.test/connector/c1", `${uri}/x`, `${uri}?x`]
  ) {
    const chain = await hostile(named(`URI:${odd}`));
    refused("spiffe_id_malformed", () => check(chain));
  }
});

Deno.test("checkPeerCertificate() refuses other clusters, roles and nodes", async () => {
  const elsewhere = await hostile(named("URI:spiffe://other.test/connector/c1"));
  refused("peer_wrong_cluster", () => check(elsewhere));
  const { chain } = await cluster.node("connector", "c1");
  refused("peer_wrong_role", () => check(chain, { expectedRole: "edge" }));
  refused("peer_wrong_role", () => check(chain, { expectedRole: ["edge", "tunneler"] }));
  refused("peer_wrong_node", () => check(chain, { expectedId: "c2" }));
});

Deno.test("checkPeerCertificate() refuses wrong key usage, extended key usage, authorities and critical unknowns", async () => {
  const refusedWith = async (code: string, lines: readonly string[]) => {
    const chain = await hostile(lines);
    refused(code, () => check(chain));
  };
  await refusedWith("peer_key_usage_wrong", without("keyUsage", "keyUsage=critical,keyEncipherment"));
  await refusedWith("peer_key_usage_wrong", without("keyUsage", ""));
  await refusedWith("peer_extended_usage_wrong", without("extendedKeyUsage", "extendedKeyUsage=serverAuth"));
  await refusedWith("peer_extended_usage_wrong", without("extendedKeyUsage", "extendedKeyUsage=codeSigning"));
  await refusedWith("peer_extended_usage_wrong", without("extendedKeyUsage", ""));
  await refusedWith(
    "peer_certificate_is_ca",
    without("basicConstraints", "basicConstraints=critical,CA:TRUE"),
  );
  await refusedWith(
    "peer_certificate_is_ca",
    without("keyUsage", "keyUsage=critical,digitalSignature,keyCertSign"),
  );
  await refusedWith("peer_extension_unknown", [...named(`URI:${uri}`), "1.2.3.4=critical,DER:0500"]);
  const server = await hostile(without("extendedKeyUsage", "extendedKeyUsage=serverAuth"));
  assert.equal(check(server, { usage: "server" }).id, "c1");
});

Deno.test("checkPeerCertificate() lets clocks differ by its skew, and no more", async () => {
  const { chain, leaf } = await cluster.node("connector", "c1", { lifeMs: 300_000 });
  const list = { ...cluster.revocations(), nextUpdateMs: leaf.notAfterMs + 3_600_000 };
  const at = (nowMs: number) =>
    checkPeerCertificate(chain, cluster.bundle(), list, { nowMs, usage: "client" });
  at(leaf.notBeforeMs - peerClockSkewMs);
  refused("peer_certificate_not_yet_valid", () => at(leaf.notBeforeMs - peerClockSkewMs - 1));
  at(leaf.notAfterMs + 999 + peerClockSkewMs);
  refused("peer_certificate_expired", () => at(leaf.notAfterMs + 1_000 + peerClockSkewMs));
});

Deno.test("checkPeerCertificate() refuses what another authority signed, by whatever name", async () => {
  const self = folder.file("self");
  await openssl(
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"],
    ...[
      "-days",
      "2",
      "-keyout",
      `${self}.key`,
      "-out",
      `${self}.pem`,
      "-addext",
      `subjectAltName=URI:${uri}`,
    ],
    ...["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=clientAuth"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
  );
  const selfMade = chainOfPem(await Deno.readTextFile(`${self}.pem`));
  refused("peer_chain_untrusted", () => check(selfMade));
  const foreign = await hostile(named(`URI:${uri}`), { issuing: stranger.issuing });
  refused("peer_chain_untrusted", () => check(foreign));
  refused("peer_chain_untrusted", () => check([...foreign, stranger.root.certificate.bytes]));
  // The name of the real issuing CA with the key of another one.
  const { privateKey } = await cluster.another();
  const imitated = await cluster.node("connector", "c1", {
    issuing: { certificate: cluster.issuing.certificate, privateKey },
  });
  refused("peer_signature_invalid", () => check(imitated.chain));
  const forged = await hostile(named(`URI:${uri}`));
  const broken = new Uint8Array(forged[0]);
  broken[broken.length - 1] ^= 1;
  refused("peer_signature_invalid", () => check([broken, forged[1]]));
});

Deno.test("checkPeerCertificate() holds the times of a rotation", async () => {
  const next = await cluster.another();
  const { chain } = await cluster.node("connector", "c1", { issuing: next });
  refused("peer_chain_untrusted", () => check(chain));
  const nowMs = cluster.nowMs + 60_000;
  const at = (times: { acceptedFromMs: number; acceptedUntilMs?: number }) =>
    checkPeerCertificate(
      chain,
      cluster.bundle({ issuers: [{ certificate: next.certificate, ...times }] }),
      cluster.revocations(),
      { nowMs, usage: "client" },
    );
  assert.equal(at({ acceptedFromMs: nowMs, acceptedUntilMs: nowMs + 1 }).endsAtMs, nowMs + 1);
  refused("peer_issuer_retired", () => at({ acceptedFromMs: nowMs + 1 }));
  refused("peer_issuer_retired", () => at({ acceptedFromMs: 0, acceptedUntilMs: nowMs }));
  const rootless = cluster.bundle({
    roots: [{ certificate: cluster.root.certificate, acceptedFromMs: 0, acceptedUntilMs: nowMs }],
    issuers: [{ certificate: next.certificate, acceptedFromMs: 0 }],
  });
  refused(
    "peer_issuer_retired",
    () => checkPeerCertificate(chain, rootless, cluster.revocations(), { nowMs, usage: "client" }),
  );
  refused("peer_issuer_invalid", () => {
    const issuing = { ...next.certificate, notBeforeMs: nowMs + 86_400_000 };
    checkPeerCertificate(
      chain,
      cluster.bundle({ issuers: [{ certificate: issuing, acceptedFromMs: 0 }] }),
      cluster.revocations(),
      { nowMs, usage: "client" },
    );
  });
});

Deno.test("checkPeerCertificate() refuses certificates, keys, nodes and issuers that are revoked", async () => {
  const { chain, leaf } = await cluster.node("connector", "c1");
  const { issuing, root } = cluster;
  for (
    const [kind, value] of [
      ["serial", leaf.serial],
      ["key", leaf.keySha256],
      ["id", uri],
      ["serial", issuing.certificate.serial],
      ["key", root.certificate.keySha256],
    ] as const
  ) {
    const list = cluster.revocations({ kind, value, severity: "cut" });
    refused(
      "peer_certificate_revoked",
      () => checkPeerCertificate(chain, cluster.bundle(), list, { nowMs: cluster.nowMs, usage: "client" }),
    );
  }
});

Deno.test("checkPeerCertificate() lets nobody in when its revocation list is too old, or another cluster's", async () => {
  const { chain } = await cluster.node("connector", "c1");
  const list = cluster.revocations();
  check(chain, { nowMs: list.nextUpdateMs + revocationsGraceMs - 1 });
  refused("revocations_stale", () => check(chain, { nowMs: list.nextUpdateMs + revocationsGraceMs }));
  refused("revocations_stale", () => check(chain, { nowMs: list.nextUpdateMs, revocationsGraceMs: 0 }));
  const other = { ...list, trustDomain: "other.test" };
  refused(
    "revocations_stale",
    () => checkPeerCertificate(chain, cluster.bundle(), other, { nowMs: cluster.nowMs, usage: "client" }),
  );
});

Deno.test("checkPeerCertificate() asks policy last; what it throws refuses", async () => {
  const { chain } = await cluster.node("connector", "c1");
  const asked: string[] = [];
  check(chain, { policy: (peer) => void asked.push(peer.spiffeId) });
  assert.deepEqual(asked, [uri]);
  refused("peer_policy_denied", () => check(chain, { policy: () => "not approved" }));
  refused("peer_policy_denied", () =>
    check(chain, {
      policy: () => {
        throw new Error("broken");
      },
    }));
  refused(
    "peer_wrong_node",
    () => check(chain, { expectedId: "c2", policy: () => assert.fail("too early") }),
  );
});
