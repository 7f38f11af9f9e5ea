import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../src/bytes/mod.ts";
import {
  CHANNEL_LIMITS,
  HandshakeInitiator,
  HandshakeResponder,
  MAX_CARRIERS,
  PROTOCOL_VERSION,
  refusal,
  suiteId,
  suiteProtocolName,
} from "../../src/channel/mod.ts";
import { generateX25519KeyPair, HandshakeState } from "../../src/crypto/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import { RecordKind, writeRecordHeader } from "../../src/wire/mod.ts";
import { type ChannelEnd, ChannelPair, READY, TOKEN } from "../support/channel_pair.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

for (const suite of ["hybrid", "classic"] as const) {
  Deno.test(`Channel: the ${suite} handshake establishes both sides, each stage seeing the same facts`, () => {
    const { agent, edge } = new ChannelPair({ suite, replaces: "older session" }).establish();
    const way = ["connecting", "handshaking", "authenticating", "authorizing", "established"];
    assert.deepEqual([agent.states, edge.states], [way, way]);
    assert.deepEqual(edge.stage0, { token: TOKEN, version: "1.2.3" });
    assert.deepEqual(agent.challenge!.edgeId, "edge-1");
    assert.equal(agent.challenge!.sessionNonce.length, 32);
    assert.deepEqual(edge.proof!.sessionNonce, agent.challenge!.sessionNonce);
    assert.deepEqual(edge.proof!.handshakeHash, agent.challenge!.handshakeHash);
    assert.deepEqual(edge.proof!.agentStatic, agent.challenge!.agentStatic);
    assert.deepEqual([edge.proof!.token, edge.proof!.replaces], [TOKEN, "older session"]);
    assert.deepEqual(agent.ready, READY);
    assert.deepEqual([agent.echoes.length, edge.echoes.length], [1, 1]);
    assert.deepEqual([agent.channel.echoAt, agent.channel.reason, agent.ended], [1_000, undefined, false]);
  });
}

Deno.test("Channel: nonces, hashes and keys are fresh in every handshake", () => {
  const facts = [1, 2].map(() => new ChannelPair().establish().agent.challenge!);
  assert.notDeepEqual(facts[0].sessionNonce, facts[1].sessionNonce);
  assert.notDeepEqual(facts[0].handshakeHash, facts[1].handshakeHash);
});

Deno.test("Channel: no stream is opened and no traffic taken before the channel is established", () => {
  const pair = new ChannelPair();
  const refused = (end: ChannelEnd) => assert.throws(() => end.open(), code("channel_closed"));
  for (const end of pair.ends) refused(end);
  pair.start();
  for (const end of pair.ends) refused(end);
  pair.edge.onProof = () => {};
  pair.settle();
  assert.deepEqual(pair.ends.map((end) => end.channel.state), ["authorizing", "authorizing"]);
  for (const end of pair.ends) refused(end);
});

/** Each moment of the handshake at which a side waits, how to get there, and who waits there. */
const waits: [string, (pair: ChannelPair) => void, ("agent" | "edge")[]][] = [
  ["the agent says nothing", (pair) => pair.link = () => [], ["agent", "edge"]],
  ["stage 0 is never judged", (pair) => pair.edge.onStage0 = () => {}, ["agent", "edge"]],
  ["the evidence is never judged", (pair) => pair.agent.onChallenge = () => {}, ["agent", "edge"]],
  ["stage 1 is never judged", (pair) => pair.edge.onProof = () => {}, ["agent", "edge"]],
];
for (const [what, prepare, who] of waits) {
  Deno.test(`Channel ends with handshake_timeout when ${what}`, () => {
    const pair = new ChannelPair();
    prepare(pair);
    pair.start().settle();
    pair.advance(CHANNEL_LIMITS.stepMs - 1, () => {});
    for (const name of who) assert.equal(pair[name].ended, false);
    pair.advance(1, () => {});
    pair.settle();
    for (const name of who) {
      assert.equal(pair[name].channel.reason, "handshake_timeout");
      assert.equal(pair[name].error!.code, "handshake_timeout");
    }
    pair.assertEnded();
  });
}

Deno.test("Channel: a stage 0 refusal reaches the agent with its code, and nobody else can make one", () => {
  const pair = new ChannelPair();
  pair.edge.onStage0 = () => pair.edge.channel.refuse(new PosternError("token_expired"), pair.now);
  pair.start().settle();
  assert.deepEqual([pair.agent.channel.reason, pair.edge.channel.reason], ["token_expired", "token_expired"]);
  assert.equal(pair.agent.states.includes("authenticating"), false);
  pair.assertEnded();

  const forged = new ChannelPair();
  forged.edge.onStage0 = () => forged.edge.channel.refuse(new PosternError("token_expired"), forged.now);
  forged.link = (record, from) => [from === forged.edge ? record.with(40, record[40] ^ 1) : record];
  forged.start().settle();
  assert.equal(forged.agent.channel.reason, "noise_decrypt_failed");
});

Deno.test("Channel: a stage 1 refusal reaches the agent with its code", () => {
  const pair = new ChannelPair();
  pair.edge.onProof = () => pair.edge.channel.refuse(new PosternError("agent_limit"), pair.now);
  pair.start().settle();
  assert.deepEqual([pair.agent.channel.reason, pair.edge.channel.reason], ["agent_limit", "agent_limit"]);
  assert.deepEqual(pair.agent.error!.detail, { by: "peer" });
  pair.assertEnded();
});

Deno.test("Channel.refuse() ends the channel at whatever moment it comes, also before an opening was read", () => {
  const early = new ChannelPair();
  early.start();
  early.edge.channel.refuse(new PosternError("agent_limit"), early.now);
  assert.equal(early.edge.channel.reason, "agent_limit");
  const late = new ChannelPair().establish();
  late.edge.channel.refuse(new PosternError("tunnel_deleted"), late.now);
  late.settle();
  assert.equal(late.agent.channel.reason, "tunnel_deleted");
  late.edge.channel.refuse(new PosternError("agent_limit"), late.now);
  late.assertEnded();
});

Deno.test("Channel: a suite that the edge does not allow ends it with handshake_suite_refused", () => {
  const pair = new ChannelPair({ suite: "classic", allowed: ["hybrid"] });
  pair.start().settle();
  assert.equal(pair.edge.channel.reason, "handshake_suite_refused");
  const unknown = new ChannelPair();
  unknown.link = (record, from) => [from === unknown.agent ? record.with(4, 9) : record];
  unknown.start().settle();
  assert.equal(unknown.edge.channel.reason, "handshake_suite_refused");
});

Deno.test("Channel: the suite byte is bound to the handshake; changing it on the way downgrades nothing", () => {
  for (const suite of ["hybrid", "classic"] as const) {
    const pair = new ChannelPair({ suite });
    const other = suiteId(suite === "hybrid" ? "classic" : "hybrid");
    pair.link = (record, from) => [from === pair.agent ? record.with(4, other) : record];
    pair.start().settle();
    assert.match(pair.edge.channel.reason!, /^noise_/);
  }
});

Deno.test("Channel: an agent that expects another edge gets no further than message 1", () => {
  const pair = new ChannelPair({ expectedEdge: generateX25519KeyPair(random).publicKey });
  pair.start().settle();
  assert.equal(pair.edge.channel.reason, "noise_decrypt_failed");
  assert.equal(pair.edge.stage0, undefined);
});

Deno.test("Channel refuses records out of turn with record_unexpected", () => {
  const transport = new Uint8Array(40);
  writeRecordHeader(transport, 0, RecordKind.transport, 0);
  const handshake = new Uint8Array(40);
  writeRecordHeader(handshake, 0, RecordKind.handshake, 0);

  for (const end of ["agent", "edge"] as const) {
    const early = new ChannelPair().start();
    early[end].receive(transport);
    assert.equal(early[end].channel.reason, "record_unexpected");
    const late = new ChannelPair().establish();
    late[end].receive(handshake);
    late.settle();
    assert.equal(late[end].channel.reason, "record_unexpected");
    assert.equal(late.other(late[end]).channel.reason, "record_unexpected", "the peer is told");
  }
  // A second opening while the first one is still being judged.
  const twice = new ChannelPair();
  twice.edge.onStage0 = () => {};
  twice.start().settle();
  twice.edge.receive(handshake);
  assert.equal(twice.edge.channel.reason, "record_unexpected");
});

/** Both sides of the handshake alone. */
function sides(suite: "hybrid" | "classic" = "classic") {
  const edgeStatic = generateX25519KeyPair(random);
  const agentStatic = generateX25519KeyPair(random);
  return {
    initiator: new HandshakeInitiator({ suite, agentStatic, edgeStatic: edgeStatic.publicKey, random }),
    responder: new HandshakeResponder({ edgeStatic, allowedSuites: ["hybrid", "classic"], random }),
    /** An initiator that says what it wants. */
    raw: new HandshakeState({
      protocolName: suiteProtocolName(suite),
      initiator: true,
      prologue: Uint8Array.of(...utf8("postern tunnel"), PROTOCOL_VERSION, suiteId(suite)),
      s: agentStatic,
      rs: edgeStatic.publicKey,
      random,
    }),
    suite: suiteId(suite),
  };
}

Deno.test("HandshakeResponder.readOpening() refuses payloads of another shape with handshake_malformed", () => {
  const payloads = [
    "",
    "null",
    "[]",
    "not json",
    "{}",
    `{"token":"${TOKEN}"}`,
    `{"token":"short","agent_version":"1"}`,
    `{"token":1,"agent_version":"1"}`,
    `{"token":"${TOKEN}","agent_version":"1","more":1}`,
    `{"token":"${TOKEN}","agent_version":"${"1".repeat(65)}"}`,
    `{"token":"${"x".repeat(8_193)}","agent_version":"1"}`,
    `{"token":"${TOKEN}","agent_version":"1"}${" ".repeat(13_000)}`,
  ];
  for (const payload of [...payloads.map(utf8), Uint8Array.of(0xff, 0xfe)]) {
    const { responder, raw, suite } = sides();
    const message = Uint8Array.of(suite, ...raw.writeMessage(payload));
    assert.throws(() => responder.readOpening(message), code("handshake_malformed"));
  }
});

Deno.test("HandshakeInitiator.readChallenge() refuses challenges of another shape with handshake_malformed", () => {
  for (
    const [edgeId, version, expiresInMs] of [["", "1", 1_000], ["e", "1", 0], ["e", "1", 600_001]] as const
  ) {
    const { initiator, responder } = sides();
    responder.readOpening(initiator.open({ token: TOKEN, agent_version: "1" }));
    const message = responder.challenge(edgeId, version, expiresInMs);
    assert.throws(() => initiator.readChallenge(message), code("handshake_malformed"));
  }
});

Deno.test("HandshakeResponder.readProof() refuses proofs of another shape with handshake_malformed", () => {
  for (const [token, replaces] of [["short", undefined], [TOKEN, ""], [TOKEN, "r".repeat(129)]] as const) {
    const { initiator, responder } = sides();
    responder.readOpening(initiator.open({ token: TOKEN, agent_version: "1" }));
    initiator.readChallenge(responder.challenge("edge", "1", 1_000));
    assert.throws(
      () => responder.readProof(initiator.prove(token, replaces).message),
      code("handshake_malformed"),
    );
  }
});

Deno.test("HandshakeResponder.readProof() tells the place among other carriers, and refuses a place of another shape", () => {
  const place = { group: "g".repeat(22), index: 7 };
  const read = (carrier: typeof place | undefined) => {
    const { initiator, responder } = sides();
    responder.readOpening(initiator.open({ token: TOKEN, agent_version: "1" }));
    initiator.readChallenge(responder.challenge("edge", "1", 1_000));
    return responder.readProof(initiator.prove(TOKEN, undefined, carrier).message).proof.carrier;
  };
  assert.deepEqual(read(place), place);
  assert.equal(read(undefined), undefined);
  for (
    const wrong of [{ index: -1 }, { index: MAX_CARRIERS }, { index: 0.5 }, { group: "" }, {
      group: "g".repeat(23),
    }]
  ) {
    assert.throws(() => read({ ...place, ...wrong }), code("handshake_malformed"));
  }
});

Deno.test("HandshakeInitiator.readChallenge() throws what the edge refused with; unknown codes as handshake_refused", () => {
  for (
    const [told, expected] of [["token_replayed", "token_replayed"], [
      "of_a_later_version",
      "handshake_refused",
    ]]
  ) {
    const { initiator, responder } = sides("hybrid");
    responder.readOpening(initiator.open({ token: TOKEN, agent_version: "1" }));
    const message = responder.refuse(told as ErrorCode);
    assert.throws(() => initiator.readChallenge(message), code(expected as ErrorCode));
  }
});

Deno.test("refusal() never repeats peer text that is no code", () => {
  const error = refusal("x\u001b[31m\nGET / HTTP/1.1");
  assert.equal(error.code, "handshake_refused");
  assert.doesNotMatch(error.message, /GET|\p{Cc}/u);
  assert.equal(refusal("constructor").code, "handshake_refused");
});

Deno.test("Channel: random handshake records end the edge's side with a code and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (body, plausible) => {
      const pair = new ChannelPair().start();
      const record = new Uint8Array(4 + body.length);
      writeRecordHeader(record, 0, RecordKind.handshake, 0);
      record.set(body, 4);
      if (plausible && body.length > 0) record[4] = 1 + (body[0] & 1);
      pair.edge.receive(record);
      assert.equal(pair.edge.channel.state, "failed");
      assert.notEqual(pair.edge.channel.reason, "internal_error");
      assert.equal(pair.edge.stage0, undefined);
    }),
    { numRuns: 60 },
  );
});

Deno.test("Channel takes late answers of its driver without effect", () => {
  const pair = new ChannelPair().start();
  const [agent, edge] = [pair.agent.channel, pair.edge.channel];
  edge.accept(READY, pair.now);
  agent.prove(TOKEN, pair.now);
  agent.challenge(pair.now);
  agent.accept(READY, pair.now);
  edge.prove(TOKEN, pair.now);
  assert.deepEqual([agent.state, edge.state], ["handshaking", "handshaking"]);
  pair.cut();
  edge.challenge(pair.now);
  agent.prove(TOKEN, pair.now);
  edge.accept(READY, pair.now);
  edge.refuse(new PosternError("agent_limit"), pair.now);
  assert.deepEqual([agent.reason, edge.reason], ["peer_closed", "peer_closed"]);
});
