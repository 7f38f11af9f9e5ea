import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fromBase64Url, toBase64Url, utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { boundKeyProvider } from "../../src/attestation/mod.ts";
import {
  checkPin,
  chooseSuite,
  type IdentityProof,
  identityTranscript,
  privateFingerprint,
  privatePrologue,
  privateSuite,
} from "../../src/channel/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { VerifiedPeer } from "../../src/pki/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import { openRecordedHandshake } from "../reference/noise_transcript.ts";
import { PrivatePair, systemRandom, TERMS } from "../support/private_pair.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

/** The Ed25519 key of an agent without a TPM. */
async function agent(seed = systemRandom(32)) {
  const provider = await boundKeyProvider(seed);
  const prove = async (transcript: Uint8Array) => [
    await provider.prove({ qualifyingData: transcript }) as IdentityProof,
  ];
  return { agentId: provider.agentId, prove };
}

for (const suite of ["hybrid", "classic"] as const) {
  Deno.test(`private channel: the ${suite} handshake establishes both ends, each knowing the other's key`, async () => {
    const pair = await new PrivatePair({ both: { suite } }).establish();
    const way = ["connecting", "handshaking", "authenticating", "authorizing", "established"];
    assert.deepEqual([pair.client.states, pair.server.states], [way, way]);
    assert.equal(pair.client.peer!.fingerprint, privateFingerprint(pair.server.keys.publicKey));
    assert.equal(pair.server.peer!.fingerprint, privateFingerprint(pair.client.keys.publicKey));
    assert.deepEqual(pair.client.peer!.assurance, "granted");
    assert.equal(pair.client.ready!.services[0].kind, "tcp");
    const user = pair.client.open();
    user.stream.offer(utf8("through the relay"));
    user.stream.end();
    await pair.settle();
    assert.equal(utf8Decode(pair.server.accepted[0].bytes), "through the relay");
    assert.equal(pair.server.accepted[0].ended, true);
  });
}

Deno.test("private channel: its three messages open by an independent reading of Noise, with this prologue", async () => {
  for (const suite of ["hybrid", "classic"] as const) {
    const drawn: Uint8Array[][] = [[], []];
    const recording = (side: number): Random => (bytes) => {
      const out = systemRandom(bytes);
      drawn[side].push(out.slice());
      return out;
    };
    const keys = [generateX25519KeyPair(systemRandom), generateX25519KeyPair(systemRandom)];
    const privates = keys.map((key) => key.privateKey.slice());
    const psk = systemRandom(32);
    const pair = await new PrivatePair({
      both: { suite, psk },
      client: { keys: keys[0], random: recording(0), suite, psk },
      server: { keys: keys[1], random: recording(1), psk },
    }).establish();
    const messages = pair.seen.slice(0, 3).map(({ record }) => record.subarray(4));
    assert.equal(messages[0][0], privateSuite(suite).id);
    const opened = await openRecordedHandshake({
      protocolName: privateSuite(suite).protocolName,
      prologue: privatePrologue(suite, TERMS),
      known: [],
      lines: suite === "hybrid" ? ["e e1", "e ee ekem1 s es", "s se psk"] : ["e", "e ee s es", "s se psk"],
      initiator: { e: drawn[0][0], s: privates[0] },
      responder: { e: drawn[1][0], s: privates[1] },
      psks: [psk],
      kemSeed: suite === "hybrid" ? drawn[0][1] : undefined,
      messages: [messages[0].subarray(1), messages[1], messages[2]],
    });
    assert.equal(opened.payloads[0].length, 0);
    for (const payload of opened.payloads.slice(1)) {
      assert.deepEqual(Object.keys(JSON.parse(utf8Decode(payload))), ["time", "version", "proofs"]);
    }
  }
});

Deno.test("private channel: without the grant's key nobody joins, as client or as server, and nothing is served", async () => {
  for (const side of ["client", "server"] as const) {
    const pair = new PrivatePair({ [side]: { psk: systemRandom(32) } });
    await pair.start().settle();
    assert.equal(pair.server.channel.reason, "noise_decrypt_failed");
    assert.equal(pair.server.peer, undefined);
    assert.notEqual(pair.client.channel.state, "established");
    assert.throws(() => pair.client.open(), code("channel_closed"));
    pair.client.channel.carrierEnded(pair.now);
    pair.assertEnded();
  }
});

const otherTerms = {
  "channel id": { channelId: "another-channel-of-24-byt" },
  "init window": { initExpireAtS: TERMS.initExpireAtS + 1 },
  "idle timeout": { idleTimeoutSeconds: 61 },
  "list of suites": { allowedSuites: [...TERMS.allowedSuites].reverse() },
  "default suite": { defaultSuite: privateSuite("classic").protocolName },
};
for (const [what, terms] of Object.entries(otherTerms)) {
  Deno.test(`private channel: another ${what} in one of the grants ends the handshake`, async () => {
    const pair = new PrivatePair({ server: { terms } });
    await pair.start().settle();
    assert.match(pair.server.channel.reason!, /^noise_/);
    assert.equal(pair.client.states.includes("authenticating"), false);
  });
}

Deno.test("chooseSuite() takes the default, else the first that both allow, and never one that the grant does not", () => {
  assert.equal(chooseSuite(TERMS, ["classic", "hybrid"]), "hybrid");
  assert.equal(chooseSuite(TERMS, ["classic"]), "classic");
  const classic = {
    ...TERMS,
    allowedSuites: ["Noise_X_new", privateSuite("classic").protocolName],
    defaultSuite: "Noise_X_new",
  };
  assert.equal(chooseSuite(classic, ["hybrid", "classic"]), "classic");
  assert.throws(() => chooseSuite(classic, ["hybrid"]), code("handshake_suite_refused"));
});

Deno.test("private channel: a suite that the grant or the server does not allow is refused with a code", async () => {
  const both = new PrivatePair({ client: { suite: "classic" }, server: { allowed: ["hybrid"] } });
  await both.start().settle();
  assert.equal(both.server.channel.reason, "handshake_suite_refused");
  const terms = { allowedSuites: [privateSuite("hybrid").protocolName] };
  const granted = new PrivatePair({ both: { terms, suite: "classic" } });
  await granted.start().settle();
  assert.equal(granted.server.channel.reason, "handshake_suite_refused");
});

Deno.test("private channel: the relay cannot choose another suite than the client did", async () => {
  for (const suite of ["hybrid", "classic"] as const) {
    const pair = new PrivatePair({ both: { suite } });
    const other = privateSuite(suite === "hybrid" ? "classic" : "hybrid").id;
    pair.relay = (record, from) => [from === pair.client && record[0] === 1 ? record.with(4, other) : record];
    await pair.start().settle();
    assert.match(pair.server.channel.reason!, /^noise_/);
  }
});

Deno.test("private channel: the init window is checked by both ends, with 30 seconds for clocks", async () => {
  const late = { initExpireAtS: TERMS.initExpireAtS - 121 }; // at now = 1 s: 2 s ago
  await new PrivatePair({ both: { terms: late } }).establish();
  const client = new PrivatePair({ client: { aheadMs: 151_000 } });
  await client.start().settle();
  assert.equal(client.client.channel.reason, "private_window_over");
  assert.equal(client.seen.length, 0);
  const server = new PrivatePair({ server: { aheadMs: 151_000 } });
  await server.start().settle();
  assert.equal(server.server.channel.reason, "private_window_over");
  const slow = new PrivatePair();
  slow.relay = (record, from) => {
    if (from === slow.client && slow.seen.length > 1) slow.now += 151_000;
    return [record];
  };
  await slow.start().settle();
  assert.equal(slow.server.channel.reason, "private_window_over");
});

Deno.test("private channel: clocks that differ by more than 30 seconds are told apart from a late grant", async () => {
  for (const aheadMs of [-40_000, 40_000]) {
    const pair = new PrivatePair({ server: { aheadMs } });
    await pair.start().settle();
    assert.equal(pair.client.channel.reason, "private_clock_skew");
  }
  const behind = new PrivatePair({ client: { aheadMs: -40_000, demands: { wallMs: 0 } } });
  await behind.start().settle();
  assert.equal(behind.client.channel.reason, "private_clock_skew");
  await new PrivatePair({ server: { aheadMs: 29_000 } }).establish();
});

Deno.test("private channel: a pin is satisfied by its key only, on either side, and the peer is told", async () => {
  const keys = generateX25519KeyPair(systemRandom);
  const own = { publicKey: keys.publicKey.slice(), privateKey: keys.privateKey.slice() };
  const pins = [privateFingerprint(systemRandom(32)), privateFingerprint(own.publicKey)];
  const pinned = await new PrivatePair({ client: { demands: { pins } }, server: { keys: own } }).establish();
  assert.equal(pinned.client.peer!.assurance, "pinned");
  const wrong = new PrivatePair({ client: { demands: { pins: [pins[0]] } } });
  await wrong.start().settle();
  assert.equal(wrong.client.channel.reason, "private_pin_mismatch");
  const refused = new PrivatePair({ server: { demands: { pins: [pins[0]] } } });
  await refused.start().settle();
  assert.deepEqual(refused.ends.map(({ channel }) => channel.reason), [
    "private_pin_mismatch",
    "private_pin_mismatch",
  ]);
  refused.assertEnded();
});

Deno.test("checkPin() takes a fingerprint and nothing else", () => {
  const pin = privateFingerprint(systemRandom(32));
  assert.equal(checkPin(pin), pin);
  for (const text of ["", "sha256:", pin.slice(1), `${pin}x`, pin.replace("sha256", "SHA256"), `${pin}=`]) {
    assert.throws(() => checkPin(text), code("private_pin_malformed"));
  }
});

Deno.test("private channel: a key or an agent that control named must be the one that comes", async () => {
  const keys = generateX25519KeyPair(systemRandom);
  const namedKey = keys.publicKey.slice();
  const named = await new PrivatePair({ client: { demands: { namedKey } }, server: { keys } }).establish();
  assert.equal(named.client.peer!.assurance, "named");
  const other = new PrivatePair({ client: { demands: { namedKey } } });
  await other.start().settle();
  assert.equal(other.client.channel.reason, "private_peer_mismatch");
  const { agentId, prove } = await agent();
  const proven = await new PrivatePair({
    client: { demands: { namedAgentId: agentId } },
    server: { prove },
  }).establish();
  assert.deepEqual([proven.client.peer!.agentId, proven.client.peer!.assurance], [agentId, "named"]);
  const impostor = new PrivatePair({
    client: { demands: { namedAgentId: agentId } },
    server: { prove: (await agent()).prove },
  });
  await impostor.start().settle();
  assert.equal(impostor.client.channel.reason, "private_peer_mismatch");
});

Deno.test("private channel: an identity proof of another handshake, side or key does not hold", async () => {
  const { prove } = await agent();
  let captured: IdentityProof[] = [];
  const first = await new PrivatePair({
    server: { prove: async (transcript) => captured = await prove(transcript) },
  }).establish();
  assert.notEqual(first.client.peer!.agentId, undefined);
  const replayed = new PrivatePair({ server: { prove: () => Promise.resolve(captured) } });
  await replayed.start().settle();
  assert.equal(replayed.client.channel.reason, "private_identity_invalid");
  const forClient = new PrivatePair({ client: { prove: () => Promise.resolve(captured) } });
  await forClient.start().settle();
  assert.deepEqual(forClient.server.channel.reason, "private_identity_invalid");
  const [hash, key] = [systemRandom(32), systemRandom(32)];
  const texts = new Set([
    toBase64Url(identityTranscript("client", hash, key)),
    toBase64Url(identityTranscript("server", hash, key)),
    toBase64Url(identityTranscript("client", key, hash)),
  ]);
  assert.equal(texts.size, 3);
});

Deno.test("private channel: a certificate counts where this end can judge it, and one that does not hold refuses", async () => {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const proof = async (transcript: Uint8Array): Promise<IdentityProof[]> => [{
    kind: "certificate",
    chain: [toBase64Url(utf8("no certificate"))],
    signature: toBase64Url(
      new Uint8Array(
        await crypto.subtle.sign(
          { name: "ECDSA", hash: "SHA-256" },
          pair.privateKey,
          new Uint8Array(transcript),
        ),
      ),
    ),
  }];
  const unjudged = await new PrivatePair({ server: { prove: proof } }).establish();
  assert.deepEqual([unjudged.client.peer!.assurance, unjudged.client.peer!.spiffeId], ["granted", undefined]);
  const checkCertificate = (): VerifiedPeer => {
    throw new PosternError("peer_certificate_revoked");
  };
  const judged = new PrivatePair({ client: { demands: { checkCertificate } }, server: { prove: proof } });
  await judged.start().settle();
  assert.equal(judged.client.channel.reason, "private_identity_invalid");
  assert.equal((judged.client.error!.cause as PosternError).code, "peer_certificate_revoked");
});

Deno.test("private channel: both ends wait for each step no longer than its time", async () => {
  const silent = new PrivatePair();
  silent.relay = () => [];
  await silent.start().settle();
  await silent.advance(10_000);
  assert.deepEqual(silent.ends.map(({ channel }) => channel.reason), [
    "handshake_timeout",
    "handshake_timeout",
  ]);
  silent.assertEnded();
});

Deno.test("private channel: a server that refuses before it was asked who it is tells the client its code", async () => {
  const pair = new PrivatePair();
  pair.start();
  pair.server.receive(pair.client.takeRecord()!);
  pair.server.channel.refuse(new PosternError("private_clock_skew"), pair.now);
  await pair.settle();
  assert.equal(pair.client.channel.reason, "private_clock_skew");
  assert.equal(fromBase64Url(privateFingerprint(pair.client.keys.publicKey).slice(7)).length, 32);
  assert.equal(
    privateFingerprint(pair.client.keys.publicKey),
    `sha256:${createHash("sha256").update(pair.client.keys.publicKey).digest("base64url")}`,
  );
});
