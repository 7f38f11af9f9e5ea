import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { ReauthAnswerer, ReauthAsker, type ReauthBasis } from "../../src/channel/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { FrameType, readRecordEpoch, RECORD_HEADER_BYTES } from "../../src/wire/mod.ts";
import { referenceRatchet } from "../reference/ratchet.ts";
import { type ChannelEnd, ChannelPair, READY, TOKEN } from "../support/channel_pair.ts";
import { pattern } from "../support/mux_pair.ts";
import { agentWithRawEdge, edgeWithRawAgent, frameBytes } from "../support/raw_peer.ts";

const GRACE_MS = 10_000;

Deno.test("Channel.reauthenticate() asks, is proved to and settles, each side seeing the same fresh facts", () => {
  const pair = new ChannelPair().establish();
  const { agent, edge } = pair;
  for (let round = 1; round <= 3; round++) {
    assert.equal(edge.channel.reauthenticate(GRACE_MS, pair.now), true);
    pair.settle();
    const asked = agent.reauths.at(-1)!;
    const proof = edge.reauthProofs.at(-1)!;
    assert.deepEqual(proof.sessionNonce, asked.sessionNonce);
    assert.deepEqual(proof.handshakeHash, asked.handshakeHash);
    assert.deepEqual(proof.agentStatic, agent.challenge!.agentStatic);
    assert.deepEqual([proof.token, asked.withinMs], [TOKEN, GRACE_MS]);
    assert.equal(agent.reauthenticated.length, round);
    assert.deepEqual([agent.channel.state, edge.channel.state], ["established", "established"]);
  }
  const way = ["established", ...Array(3).fill(["revalidating", "established"]).flat()];
  assert.deepEqual([agent.states.slice(4), edge.states.slice(4)], [way, way]);
  assert.deepEqual([agent.rekeys, edge.rekeys], [3, 3]);
  const seen = [agent.challenge!, ...agent.reauths];
  assert.equal(new Set(seen.map(({ sessionNonce }) => sessionNonce.toHex())).size, 4);
  assert.equal(new Set(seen.map(({ handshakeHash }) => handshakeHash.toHex())).size, 4);
});

Deno.test("Channel: both directions carry traffic at every moment of a re-authentication, each epoch one higher after it", () => {
  const pair = new ChannelPair({ suite: "hybrid" }).establish();
  const { agent, edge } = pair;
  const user = agent.open();
  pair.settle();
  const peer = edge.accepted[0];
  let offered = 0;
  const speak = () => {
    user.stream.offer(pattern(5_000, offered));
    peer.stream.offer(pattern(5_000, offered));
    offered += 5_000;
    pair.settle();
    assert.deepEqual([peer.receivedBytes, user.receivedBytes], [offered, offered]);
  };
  const epochs = { agent: 0, edge: 0 };
  pair.link = (record, from) => {
    epochs[from === agent ? "agent" : "edge"] = readRecordEpoch(record, 0);
    return [record];
  };
  agent.onReauth = edge.onReauthProof = () => {};
  for (let round = 1; round <= 4; round++) {
    edge.channel.reauthenticate(GRACE_MS, pair.now);
    speak();
    agent.channel.proveAgain(TOKEN, pair.now);
    speak();
    assert.deepEqual(epochs, { agent: round, edge: round - 1 });
    edge.channel.reauthenticated(undefined, pair.now);
    speak();
    assert.deepEqual(epochs, { agent: round, edge: round });
    assert.equal(agent.reauthenticated.at(-1), undefined);
    speak();
  }
  assert.deepEqual(peer.bytes, pattern(offered));
  assert.deepEqual(user.bytes, pattern(offered));
});

Deno.test("Channel: the keys of before open nothing that comes behind a re-authentication", () => {
  const { pair, edge, raw, answerer } = established();
  const agent = answerer();
  const asked = ask(pair, edge, raw);
  const { challenge } = agent.read(asked) as { challenge: unknown };
  assert.ok(challenge !== undefined);
  const { payload } = agent.answer(TOKEN, 1, pair.now)!;
  edge.receive(raw.seal(frameBytes(FrameType.control, 0, payload)));
  assert.equal(edge.reauthProofs.length, 1);
  edge.receive(raw.seal(frameBytes(FrameType.ping, 0, pattern(8)))); // as if nothing had been agreed
  assert.equal(edge.channel.state, "closing");
  while (edge.takeRecord() !== undefined);
  assert.equal(edge.channel.reason, "record_bad_epoch");
});

Deno.test("Channel drains on while its agent is asked, and an agent that fails then is cut all the same", () => {
  const pair = new ChannelPair().establish();
  const { agent, edge } = pair;
  const user = agent.open();
  pair.settle();
  agent.channel.drain("draining", 4_000_000_000, pair.now);
  pair.settle();
  assert.equal(edge.channel.reauthenticate(GRACE_MS, pair.now), true);
  pair.settle();
  assert.equal(agent.reauthenticated.length, 1);
  assert.deepEqual([agent.channel.state, edge.channel.state], ["draining", "draining"]);
  agent.onReauth = () => {};
  edge.channel.reauthenticate(GRACE_MS, pair.now);
  pair.advance(GRACE_MS);
  assert.equal(edge.channel.reason, "reauth_timeout");
  assert.equal(user.reset, "channel_lost");
  pair.assertEnded();
});

Deno.test("Channel ends with reauth_timeout when the agent, the judgement or the verdict is late", () => {
  const late: [string, (pair: ChannelPair) => void, number, "agent" | "edge"][] = [
    ["the agent says nothing", ({ agent }) => agent.onReauth = () => {}, GRACE_MS, "edge"],
    ["nobody judges", ({ edge }) => edge.onReauthProof = () => {}, 10_000, "edge"],
  ];
  for (const [what, prepare, afterMs, who] of late) {
    const pair = new ChannelPair().establish();
    const user = pair.agent.open();
    pair.settle();
    prepare(pair);
    pair.edge.channel.reauthenticate(GRACE_MS, pair.now);
    pair.settle();
    pair.advance(afterMs - 1);
    assert.deepEqual(pair.ends.map((end) => end.ended), [false, false], what);
    assert.equal(pair.edge.channel.state, "revalidating");
    pair.advance(1);
    assert.equal(pair[who].channel.reason, "reauth_timeout", what);
    assert.equal(pair.agent.channel.reason, "reauth_timeout", "the agent is told");
    assert.equal(user.reset, "channel_lost");
    pair.assertEnded();
  }
  // An edge that takes the proof and never says a word about it.
  const { pair, agent, raw, asker } = agentWithRawEdge();
  agent.receive(raw.seal(frameBytes(FrameType.control, 0, utf8(JSON.stringify(READY)))));
  agent.receive(raw.seal(frameBytes(FrameType.control, 0, asker().ask(GRACE_MS, pair.now))));
  for (const task of agent.tasks.splice(0)) task();
  while (agent.takeRecord() !== undefined);
  const pong = () => {};
  pair.advance(19_999, pong);
  assert.equal(agent.channel.state, "revalidating");
  pair.advance(1, pong);
  assert.equal(agent.channel.state, "closing");
  while (agent.takeRecord() !== undefined);
  assert.equal(agent.channel.reason, "reauth_timeout");
});

Deno.test("Channel.refuse() of a new proof cuts open streams with its code", () => {
  const pair = new ChannelPair().establish();
  const user = pair.agent.open();
  pair.settle();
  pair.edge.onReauthProof = () => pair.edge.channel.refuse(new PosternError("stage1_wrong_nonce"), pair.now);
  pair.edge.channel.reauthenticate(GRACE_MS, pair.now);
  pair.settle();
  assert.deepEqual(pair.ends.map((end) => end.channel.reason), ["stage1_wrong_nonce", "stage1_wrong_nonce"]);
  assert.equal(user.reset, "channel_lost");
  assert.equal(pair.edge.channel.reauthenticate(GRACE_MS, pair.now), false);
  pair.edge.channel.reauthenticated(1, pair.now);
  pair.agent.channel.proveAgain(TOKEN, pair.now);
  pair.assertEnded();
});

Deno.test("Channel.reauthenticate() asks nobody before the channel is established, and ends with reauth_overlap when asked twice", () => {
  const early = new ChannelPair();
  early.start();
  assert.equal(early.edge.channel.reauthenticate(GRACE_MS, early.now), false);
  const pair = new ChannelPair().establish();
  assert.equal(pair.agent.channel.reauthenticate(GRACE_MS, pair.now), false);
  pair.agent.onReauth = () => {};
  pair.edge.channel.reauthenticate(GRACE_MS, pair.now);
  pair.edge.channel.reauthenticate(GRACE_MS, pair.now);
  pair.settle();
  assert.deepEqual(pair.ends.map((end) => end.channel.reason), ["reauth_overlap", "reauth_overlap"]);
});

/** An edge with a raw agent, both past `ready`. */
function established() {
  const sides = edgeWithRawAgent();
  sides.edge.channel.accept(READY, sides.pair.now);
  sides.edge.onReauthProof = () => {};
  sides.raw.controls(sides.edge);
  return sides;
}

/** The edge's question. */
function ask(
  pair: ChannelPair,
  edge: ChannelEnd,
  raw: ReturnType<typeof edgeWithRawAgent>["raw"],
): Uint8Array {
  edge.channel.reauthenticate(GRACE_MS, pair.now);
  return raw.controls(edge)[0];
}

/** What a raw agent makes of a right answer, and what it is refused with. */
const wrongAnswers: [string, ErrorCode, (proof: Record<string, unknown>) => void][] = [
  ["another nonce", "reauth_wrong_nonce", (proof) => proof.session_nonce = nonceOf(9)],
  ["a round that never was", "reauth_unsolicited", (proof) => proof.round = 2],
  ["a field too many", "frame_bad_control", (proof) => proof.more = 1],
  ["a short ML-KEM ciphertext", "frame_bad_control", (proof) => proof.kem = "AAAA"],
  ["a key of low order", "noise_bad_public_key", (proof) => proof.key = nonceOf(0)],
  ["another type", "frame_bad_control", (proof) => proof.type = "reauth_done"],
  ["a token too long", "frame_bad_control", (proof) => proof.token = "x".repeat(8_193)],
];
for (const [what, expected, make] of wrongAnswers) {
  Deno.test(`Channel ends with ${expected} when the agent answers with ${what}`, () => {
    const { pair, edge, raw, answerer } = established();
    const agent = answerer();
    agent.read(ask(pair, edge, raw));
    const proof = JSON.parse(utf8Decode(agent.answer(TOKEN, 1, pair.now)!.payload));
    make(proof);
    edge.receive(raw.seal(frameBytes(FrameType.control, 0, utf8(JSON.stringify(proof)))));
    assert.equal(edge.channel.state, "closing");
    assert.equal(edge.reauthProofs.length, 0);
    while (edge.takeRecord() !== undefined);
    assert.equal(edge.channel.reason, expected);
  });
}

Deno.test("Channel ends with a code of its own when a proof is unsolicited, late, given twice or given again", () => {
  const proofOf = (sides: ReturnType<typeof established>) => {
    const agent = sides.answerer();
    agent.read(ask(sides.pair, sides.edge, sides.raw));
    return agent.answer(TOKEN, 1, sides.pair.now)!;
  };
  const send = ({ edge, raw }: ReturnType<typeof established>, payload: Uint8Array) =>
    edge.receive(raw.seal(frameBytes(FrameType.control, 0, payload)));
  const cases: [ErrorCode, (sides: ReturnType<typeof established>) => void][] = [
    ["reauth_unsolicited", (sides) => {
      const other = established();
      send(sides, proofOf(other).payload); // nothing was asked here
    }],
    ["reauth_timeout", (sides) => {
      const { payload } = proofOf(sides);
      sides.pair.now += GRACE_MS; // the timer is late as well
      send(sides, payload);
    }],
    ["reauth_duplicate", (sides) => {
      const { payload, key } = proofOf(sides);
      send(sides, payload);
      sides.raw.records.replaceSendKey(key, 0);
      send(sides, payload);
    }],
    ["reauth_replayed", (sides) => {
      const { payload, key } = proofOf(sides);
      send(sides, payload);
      sides.raw.records.replaceSendKey(key, 0);
      sides.edge.channel.reauthenticated(1_000, sides.pair.now);
      send(sides, payload);
    }],
    ["reauth_replayed", (sides) => {
      const { payload, key } = proofOf(sides);
      send(sides, payload);
      sides.raw.records.replaceSendKey(key, 0);
      sides.edge.channel.reauthenticated(1_000, sides.pair.now);
      sides.edge.channel.reauthenticate(GRACE_MS, sides.pair.now);
      send(sides, payload); // the answer to the question before
    }],
  ];
  for (const [expected, run] of cases) {
    const sides = established();
    run(sides);
    assert.equal(sides.edge.channel.state, "closing", expected);
    while (sides.edge.takeRecord() !== undefined);
    assert.equal(sides.edge.channel.reason, expected);
  }
});

const nonceOf = (value: number) =>
  new Uint8Array(32).fill(value).toBase64({ alphabet: "base64url", omitPadding: true });

Deno.test("Channel of an agent ends with a code of its own when a question is replayed, out of order, doubled or settled unasked", () => {
  type Sides = ReturnType<typeof agentWithRawEdge> & { edge: ReauthAsker };
  const say = ({ agent, raw }: Sides, payload: Uint8Array) => {
    agent.receive(raw.seal(frameBytes(FrameType.control, 0, payload)));
    for (const task of agent.tasks.splice(0)) task();
  };
  const changed = (payload: Uint8Array, change: Record<string, unknown>) =>
    utf8(JSON.stringify({ ...JSON.parse(utf8Decode(payload)), ...change }));
  const whole = (sides: Sides): Uint8Array => {
    const question = sides.edge.ask(GRACE_MS, 0);
    say(sides, question);
    const proof = sides.raw.controls(sides.agent)[0];
    const { key } = sides.edge.readProof(proof, 1, 0);
    sides.raw.records.replaceReceiveKey(key, 0);
    const done = sides.edge.settle(5)!;
    say(sides, done.payload);
    sides.raw.records.replaceSendKey(done.key, 0);
    return question;
  };
  const cases: [ErrorCode, (sides: Sides) => void][] = [
    ["reauth_replayed", (sides) => say(sides, whole(sides))],
    ["reauth_replayed", (sides) => {
      const before = JSON.parse(utf8Decode(whole(sides)));
      say(sides, changed(sides.edge.ask(GRACE_MS, 0), { session_nonce: before.session_nonce }));
    }],
    ["reauth_wrong_round", (sides) => say(sides, changed(sides.edge.ask(GRACE_MS, 0), { round: 2 }))],
    ["reauth_overlap", (sides) => {
      sides.agent.onReauth = () => {};
      const question = sides.edge.ask(GRACE_MS, 0);
      say(sides, question);
      say(sides, changed(question, { round: 2 }));
    }],
    ["reauth_unsolicited", (sides) => say(sides, utf8(JSON.stringify({ type: "reauth_done", round: 1 })))],
    ["frame_bad_control", (sides) => say(sides, utf8(JSON.stringify(READY)))],
    ["frame_bad_control", (sides) => say(sides, changed(sides.edge.ask(GRACE_MS, 0), { deadline_ms: 0 }))],
    [
      "noise_bad_public_key",
      (sides) => say(sides, changed(sides.edge.ask(GRACE_MS, 0), { key: nonceOf(0) })),
    ],
    ["noise_bad_public_key", (sides) => {
      const kem = new Uint8Array(1_184).fill(0xff).toBase64({ alphabet: "base64url", omitPadding: true });
      say(sides, changed(sides.edge.ask(GRACE_MS, 0), { kem }));
    }],
  ];
  for (const [expected, run] of cases) {
    const raw = agentWithRawEdge();
    const sides = { ...raw, edge: raw.asker() };
    say(sides, utf8(JSON.stringify(READY)));
    sides.raw.controls(sides.agent);
    run(sides);
    while (sides.agent.takeRecord() !== undefined);
    assert.equal(sides.agent.channel.reason, expected);
    assert.equal(sides.agent.channel.state, "failed");
  }
});

/** What is drawn, in order. */
function drawn(seed: number) {
  const draws: Uint8Array[] = [];
  let value = seed;
  const random = (bytes: number) => {
    const fresh = Uint8Array.from(
      { length: bytes },
      () => (value = (value * 1_103_515_245 + 12_345) >>> 0) >>> 16,
    );
    draws.push(fresh.slice());
    return fresh;
  };
  return { draws, random };
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("ReauthAsker and ReauthAnswerer agree with a slow twin on transcript and keys, round after round", async () => {
  await fc.assert(
    fc.asyncProperty(bytes32, bytes32, bytes32, fc.nat(), async (root, handshakeHash, agentStatic, seed) => {
      const edgeDraws = drawn(seed);
      const basis = (random: ReauthBasis["random"]): ReauthBasis => ({
        root: root.slice(),
        handshakeHash,
        agentStatic,
        sessionNonce: new Uint8Array(32).fill(1),
        random,
      });
      const edge = new ReauthAsker(basis(edgeDraws.random));
      const agent = new ReauthAnswerer(basis(drawn(seed + 1).random));
      let current: Uint8Array = root;
      for (let round = 1; round <= 3; round++) {
        const question = edge.ask(1_000, 0);
        const [, edgePrivateKey, edgeKemSeed] = edgeDraws.draws.splice(0);
        const { challenge } = agent.read(question) as { challenge: { handshakeHash: Uint8Array } };
        const answer = agent.answer(TOKEN, 1, 0)!;
        const { proof, key } = edge.readProof(answer.payload, 1, 0);
        const expected = await referenceRatchet({
          handshakeHash,
          root: current,
          request: JSON.parse(utf8Decode(question)),
          proof: JSON.parse(utf8Decode(answer.payload)),
          edgePrivateKey,
          edgeKemSeed,
        });
        assert.deepEqual(challenge.handshakeHash, expected.transcript);
        assert.deepEqual(proof.handshakeHash, expected.transcript);
        assert.deepEqual([answer.key, key], [expected.agentToEdge, expected.agentToEdge]);
        const done = edge.settle(undefined)!;
        const settled = agent.read(done.payload) as { key: Uint8Array };
        assert.deepEqual([done.key, settled.key], [expected.edgeToAgent, expected.edgeToAgent]);
        current = expected.root;
      }
    }),
    { numRuns: 10 },
  );
});

Deno.test("ReauthAsker never asks the same nonce twice, whatever its randomness is", () => {
  const fixed = (bytes: number) => new Uint8Array(bytes).fill(7);
  const basis = {
    root: new Uint8Array(32),
    handshakeHash: new Uint8Array(32),
    agentStatic: new Uint8Array(32),
    sessionNonce: fixed(32),
  };
  const edge = new ReauthAsker({ ...basis, random: fixed });
  const agent = new ReauthAnswerer({ ...basis, random: (bytes) => new Uint8Array(bytes).fill(8) });
  const nonces = Array.from({ length: 20 }, () => {
    const question = edge.ask(1_000, 0);
    agent.read(question);
    edge.readProof(agent.answer(TOKEN, 1, 0)!.payload, 1, 0);
    agent.read(edge.settle(1)!.payload);
    return JSON.parse(utf8Decode(question)).session_nonce;
  });
  assert.equal(new Set(nonces).size, 20);
});

Deno.test("ReauthAsker and ReauthAnswerer zero their secrets once they are used, and all of them when they are wiped", () => {
  const drawnSecrets: Uint8Array[] = [];
  const roots = [pattern(32), pattern(32)];
  const random = (bytes: number) => {
    const fresh = crypto.getRandomValues(new Uint8Array(bytes));
    drawnSecrets.push(fresh);
    return fresh;
  };
  const basis = (root: Uint8Array): ReauthBasis => ({
    root,
    handshakeHash: pattern(32),
    agentStatic: pattern(32),
    sessionNonce: pattern(32),
    random,
  });
  const edge = new ReauthAsker(basis(roots[0]));
  const agent = new ReauthAnswerer(basis(roots[1]));
  agent.read(edge.ask(1_000, 0));
  const answer = agent.answer(TOKEN, 1, 0)!;
  edge.readProof(answer.payload, 1, 0);
  const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);
  assert.ok(roots.every(isZero), "the roots of before are gone");
  const [, ...seeds] = drawnSecrets; // all but the nonce
  assert.ok(seeds.every(isZero));
  edge.wipe();
  agent.wipe();
  assert.deepEqual([edge.deadline, agent.deadline], [Infinity, Infinity]);
  assert.equal(edge.settle(1), undefined);
  assert.equal(agent.answer(TOKEN, 1, 0), undefined);
});

Deno.test("Channel: the epochs begin again behind the last one, at a re-authentication only", () => {
  const pair = new ChannelPair().establish();
  const { agent, edge } = pair;
  let last = 0;
  pair.link = (record) => {
    last = readRecordEpoch(record, 0);
    assert.ok(record.length > RECORD_HEADER_BYTES);
    return [record];
  };
  for (let round = 1; round <= 300; round++) {
    edge.channel.reauthenticate(GRACE_MS, pair.now);
    pair.settle();
    pair.advance(10_000);
    assert.equal(last, round);
  }
  assert.equal(agent.channel.state, "established");
});
