import assert from "node:assert/strict";
import { writeAll } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { FrameStream } from "../../src/nodes/frame_stream.ts";
import { identityMessage } from "../../src/nodes/identity_proof.ts";
import {
  checkPeerCertificate,
  makeCsr,
  readCsr,
  signRevocations,
  signTrustBundle,
} from "../../src/pki/mod.ts";
import { issueNode } from "../../src/pki/mod.ts";
import { makeKeys, pemOfKey } from "../support/made_cluster.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";
import { NodePair, random } from "./node_pair.ts";

Deno.test("a node is online once an echo of it came back, and offline 30 s after the last one", async () => {
  const pair = await NodePair.make();
  assert.deepEqual(pair.echoes, ["c1"]);
  assert.ok(pair.host.isOnline && pair.caller.isOnline);
  assert.deepEqual(pair.host.facts, { version: "1.2.3", privateIp: "10.0.0.7" });
  await pair.advance(30_000);
  assert.equal(pair.echoes.length, 4, "every 10 s");
  pair.caller.end("ok");
  await pair.settle();
  assert.equal(pair.hostCode, "ok");
  assert.ok(!pair.host.isOnline);
  assert.equal(pair.clock.pending, 0);
});

Deno.test("a node that talks but answers no echo is never online, and one that is silent is cut", async () => {
  const pair = await NodePair.make({ silent: true });
  const frames = new FrameStream(pair.callerStream, 100_000);
  const facts = { version: "1.0.0", bundle_version: 1 };
  await frames.write({ type: "hello", protocol: 1, nonce: "n", ...facts });
  const said = [];
  for (let seq = 1; seq <= 3; seq++) {
    await frames.write({ type: "heartbeat", seq, ...facts, tunnelers: [] });
    await frames.write({ type: "echo", nonce: "made-up" });
    said.push(await frames.read());
    await pair.advance(9_000);
  }
  assert.deepEqual(pair.echoes, []);
  assert.ok(!pair.host.isOnline);
  await pair.advance(30_000);
  assert.equal(pair.hostCode, "node_heartbeat_timeout");
  assert.equal(pair.clock.pending, 0);
});

Deno.test("a tunneler is heard when its echo came back through its connector", async () => {
  const relayed: [string, string][] = [];
  const pair = await NodePair.make({
    caller: {
      tunnelers: () => [{ id: "t1", version: "1.0.0" }],
      onTunnelerEcho: (tunneler, nonce) => void relayed.push([tunneler, nonce]),
    },
  });
  assert.deepEqual(pair.echoes, ["c1"]);
  assert.equal(relayed[0][0], "t1");
  pair.caller.answerEcho(relayed[0][1], "t2");
  await pair.settle();
  assert.deepEqual(pair.echoes, ["c1"], "the answer names another tunneler");
  pair.caller.answerEcho(relayed[0][1], "t1");
  await pair.settle();
  assert.deepEqual(pair.echoes, ["c1", "t1"]);
});

Deno.test("NodeLink.tellSoon() brings the news of a tunneler within a second, and never a flood of heartbeats", async () => {
  const tunnelers: { id: string; version: string }[] = [];
  let beats = 0;
  const pair = await NodePair.make({
    caller: { tunnelers: () => tunnelers, onTunnelerEcho() {}, onHeartbeat: () => void beats++ },
  });
  assert.equal(beats, 1);
  pair.caller.tellSoon();
  await pair.advance(1_000);
  assert.equal(beats, 2, "not ten seconds later");
  for (let n = 0; n < 256; n++) {
    tunnelers.push({ id: `t${n}`, version: "1.0.0" });
    pair.caller.tellSoon();
  }
  for (let second = 0; second < 30; second++) {
    await pair.advance(1_000);
    pair.caller.tellSoon();
  }
  assert.equal(beats, 5, "each of so many is answered by an echo");
  assert.equal(pair.hostCode, undefined);
  pair.caller.end("ok");
  await pair.settle();
  pair.caller.tellSoon();
  assert.equal(pair.clock.pending, 0);
});

Deno.test("a host that says nothing is given up, and a caller that says nothing is cut", async () => {
  const pair = await NodePair.make({ silent: true });
  await pair.advance(10_000);
  assert.equal(pair.hostCode, "node_hello_timeout");
  const [mine, theirs] = memoryStreamPair();
  const other = await NodePair.make({ caller: {} });
  assert.equal(other.callerCode, undefined);
  mine.close();
  theirs.close();
});

Deno.test("what is no message, or out of turn, ends the channel by its code", async () => {
  const hello = { type: "hello", protocol: 1, nonce: "n", version: "1", bundle_version: 1 };
  const cases: [string, unknown[]][] = [
    ["node_message_unexpected", [{
      type: "heartbeat",
      seq: 1,
      version: "1",
      bundle_version: 1,
      tunnelers: [],
    }]],
    ["node_message_unexpected", [hello, hello]],
    ["node_message_unexpected", [hello, { type: "welcome" }]],
    ["node_message_unexpected", [{ ...hello, extra: true }]],
    ["node_protocol_unknown", [{ ...hello, protocol: 2 }]],
    ["node_flood", [hello, ...Array.from({ length: 700 }, () => ({ type: "echo", nonce: "x" }))]],
    ["node_proof_invalid", [hello, "identity"]],
  ];
  for (const [code, messages] of cases) {
    const pair = await NodePair.make({ silent: true });
    const frames = new FrameStream(pair.callerStream, 100_000);
    for (const message of messages) {
      const shown = identityMessage(pair.callerIdentity.credentials, "another nonce");
      await frames.write(message === "identity" ? shown : message).catch(() => {});
    }
    await pair.settle();
    assert.equal(pair.hostCode, code);
  }
  for (const bytes of [[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 2, 123, 123], [0, 0, 0, 9, 1]]) {
    const pair = await NodePair.make({ silent: true });
    await writeAll(pair.callerStream, Uint8Array.from(bytes));
    await pair.callerStream.closeWrite();
    await pair.settle();
    assert.equal(pair.hostCode, "node_frame_invalid");
  }
});

Deno.test("FrameStream.write() gives up on a peer that does not read", async () => {
  const [mine] = memoryStreamPair({ bufferBytes: 16 });
  const frames = new FrameStream(mine, 100);
  const writes = Array.from({ length: 513 }, () => frames.write({ a: 1 }).then(() => "ok", codeOf));
  assert.equal(await writes[512], "node_peer_slow");
  frames.close();
  await Promise.all(writes);
});

Deno.test("trust that the host has newer reaches the node, and a revoked host or node is cut at once", async () => {
  const pair = await NodePair.make();
  const { cluster, host, callerIdentity } = pair;
  const next = { ...cluster.bundle(), version: 2, issuedAtMs: cluster.nowMs + 1 };
  const list = { ...cluster.revocations(), version: 5, bundleVersion: 2 };
  const sending = async (entries: typeof list.entries, version: number) =>
    host.send({
      type: "trust",
      trust_bundles: [structuredClone(await signTrustBundle(next, [cluster.issuing])) as never],
      revocations: structuredClone(
        await signRevocations({ ...list, entries, version }, cluster.issuing),
      ) as never,
    });
  await sending([], 5);
  await pair.settle();
  assert.equal(callerIdentity.trust.bundle.version, 2);
  assert.equal(callerIdentity.trust.revocations.version, 5);
  assert.equal(await sending([], 4), undefined);
  await pair.settle();
  assert.equal(callerIdentity.trust.revocations.version, 5, "an older list changes nothing");
  assert.equal(pair.callerCode, undefined);
  const value = "spiffe://tunnel.test/control/k1";
  await sending([{ kind: "id", value, severity: "cut", atMs: cluster.nowMs }], 6);
  await pair.settle();
  assert.equal(pair.callerCode, "peer_certificate_revoked");

  const another = await NodePair.make();
  another.hostIdentity.replaceTrust({
    bundle: another.cluster.bundle(),
    revocations: another.cluster.revocations({
      kind: "id",
      value: "spiffe://tunnel.test/connector/c1",
      severity: "cut",
    }),
  });
  await another.settle();
  assert.equal(another.hostCode, "peer_certificate_revoked");
  assert.equal(another.callerCode, "peer_certificate_revoked", "the node is told why");
});

Deno.test("a node that is revoked with severity drain has 30 s and gets no other channel; cut is at once", async () => {
  const value = "spiffe://tunnel.test/connector/c1";
  const revoked = (pair: NodePair, severity: "drain" | "cut") =>
    pair.hostIdentity.replaceTrust({
      bundle: pair.cluster.bundle(),
      revocations: pair.cluster.revocations({ kind: "id", value, severity }),
    });
  const pair = await NodePair.make();
  revoked(pair, "drain");
  await pair.settle();
  assert.ok(pair.host.isDraining && pair.host.isOnline);
  await pair.advance(29_000);
  // Lists are signed anew all the time: that does not give it more of it.
  revoked(pair, "drain");
  await pair.settle();
  assert.equal(pair.hostCode, undefined);
  await pair.advance(2_000);
  assert.equal(pair.hostCode, "peer_certificate_revoked");
  assert.equal(pair.callerCode, "peer_certificate_revoked", "it is told why");
  assert.equal(pair.clock.pending, 0);

  const harder = await NodePair.make();
  revoked(harder, "drain");
  await harder.advance(5_000);
  revoked(harder, "cut");
  await harder.settle();
  assert.equal(harder.hostCode, "peer_certificate_revoked");

  const again = await NodePair.make();
  revoked(again, "drain");
  const { chain } = again.callerIdentity.credentials;
  const { bundle, revocations } = again.hostIdentity.trust;
  const nowMs = again.clock.wall();
  assert.throws(() => checkPeerCertificate(chain, bundle, revocations, { nowMs, usage: "client" }), {
    code: "peer_certificate_revoked",
  });
});

Deno.test("a bundle that nobody proves ends the channel", async () => {
  const pair = await NodePair.make();
  const foreign = (await NodePair.make()).cluster;
  pair.host.send({
    type: "trust",
    trust_bundles: [
      structuredClone(
        await signTrustBundle({ ...foreign.bundle(), version: 2 }, [foreign.issuing]),
      ) as never,
    ],
    revocations: structuredClone(await signRevocations(foreign.revocations(), foreign.issuing)) as never,
  });
  await pair.settle();
  assert.equal(pair.callerCode, "trust_bundle_unproven");
});

Deno.test("certificates of both ends are renewed on a channel that stands; without it the channel ends with them", async () => {
  const lifeMs = 300_000;
  const certify = (pair: () => NodePair) => async (_peer: unknown, csr: Uint8Array) => {
    const { cluster, clock } = pair();
    const { publicKey } = readCsr(csr);
    const validity = { notBeforeMs: clock.wall(), notAfterMs: clock.wall() + lifeMs };
    const id = { trustDomain: "tunnel.test", role: "connector", id: "c1" } as const;
    const leaf = await issueNode(cluster.issuing, id, publicKey, validity, random);
    return [leaf.bytes, cluster.issuing.certificate.bytes];
  };
  const pair: NodePair = await NodePair.make({ life: { lifeMs }, host: { renew: certify(() => pair) } });
  let renewals = 0;
  const renew = async () => {
    const keys = await makeKeys();
    const chain = await pair.caller.renew(await makeCsr(keys, pair.callerIdentity.id));
    pair.callerIdentity.replaceCredentials({ chain, privateKey: await pemOfKey(keys.privateKey) });
    renewals++;
  };
  const freshList = () => ({
    bundle: pair.cluster.bundle(),
    revocations: { ...pair.cluster.revocations(), nextUpdateMs: pair.clock.wall() + 600_000 },
  });
  for (let minute = 0; minute < 15; minute++) {
    await pair.advance(60_000, 5_000);
    if (minute % 3 === 0) {
      await renew();
      const node = await pair.cluster.node("control", "k1", {
        lifeMs: pair.clock.wall() - pair.cluster.nowMs + lifeMs,
      });
      pair.hostIdentity.replaceCredentials({
        chain: node.chain,
        privateKey: await pemOfKey(node.keys.privateKey),
      });
    }
    pair.hostIdentity.replaceTrust(freshList());
    pair.callerIdentity.replaceTrust(freshList());
    await pair.settle();
  }
  assert.equal(pair.hostCode, undefined);
  assert.equal(pair.callerCode, undefined);
  assert.equal(renewals, 5);
  assert.deepEqual([...new Set(pair.renewals)], ["ok"]);
  await pair.advance(600_000, 10_000);
  assert.match(`${pair.hostCode} ${pair.callerCode}`, /peer_certificate_expired/);
});

Deno.test("NodeLink.renew() says that the host refuses, or renews nothing", async () => {
  const pair = await NodePair.make();
  await assert.rejects(pair.caller.renew(new Uint8Array(10)), { code: "node_renewal_refused" });
  assert.deepEqual(pair.renewals, ["node_renewal_unavailable"]);
});
