import assert from "node:assert/strict";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { MAX_OPEN_OFFERS } from "../../src/channel/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { type ChannelInitGrant, defaultGrantSuite } from "../../src/grants/mod.ts";
import { FrameType } from "../../src/wire/mod.ts";
import { ChannelPair, READY } from "../support/channel_pair.ts";
import { agentWithRawEdge, edgeWithRawAgent, frameBytes } from "../support/raw_peer.ts";

const grant: ChannelInitGrant = {
  tunnel_url: "wss://edge.example.com/relay",
  channel_id: "c".repeat(32),
  channel_init_expire_at_unix_s: 1_767_225_720,
  idle_timeout_seconds: 60,
  role: "server",
  token: "t".repeat(900),
  e2ee_psk_b64u: toBase64Url(new Uint8Array(32).fill(1)),
  allowed_suites: [defaultGrantSuite],
  default_suite: defaultGrantSuite,
};
const staticKey = toBase64Url(new Uint8Array(32).fill(2));
const control = (value: unknown) => frameBytes(FrameType.control, 0, utf8(JSON.stringify(value)));

Deno.test("Channel.offer() hands a grant to the agent, whose answers come in any order", () => {
  const pair = new ChannelPair().establish();
  const { agent, edge } = pair;
  assert.deepEqual([edge.channel.offer(grant, pair.now), edge.channel.offer(grant, pair.now)], [1, 2]);
  pair.settle();
  assert.deepEqual(agent.offers, [{ offer: 1, grant }, { offer: 2, grant }]);
  agent.channel.answerOffer(2, { error: "agent_busy" }, pair.now);
  agent.channel.answerOffer(1, { staticKey }, pair.now);
  agent.channel.answerOffer(1, { error: "agent_busy" }, pair.now);
  pair.settle();
  assert.deepEqual(edge.offerAnswers, [
    { offer: 2, answer: { error: "agent_busy" } },
    { offer: 1, answer: { staticKey } },
  ]);
  assert.deepEqual([agent.channel.state, edge.channel.state], ["established", "established"]);
});

Deno.test("Channel.offer() goes on beside a re-authentication", () => {
  const pair = new ChannelPair().establish();
  const { agent, edge } = pair;
  agent.onReauth = () => {};
  edge.channel.reauthenticate(10_000, pair.now);
  pair.settle();
  assert.equal(edge.channel.state, "revalidating");
  edge.channel.offer(grant, pair.now);
  pair.settle();
  agent.channel.proveAgain("a token of at least sixteen characters", pair.now);
  agent.channel.answerOffer(1, { staticKey }, pair.now);
  pair.settle();
  assert.deepEqual([edge.channel.state, edge.offerAnswers.length], ["established", 1]);
});

Deno.test("Channel.offer() waits for so many answers and no more: private_offer_limit", () => {
  const pair = new ChannelPair().establish();
  const { agent, edge } = pair;
  for (let i = 0; i < MAX_OPEN_OFFERS; i++) edge.channel.offer(grant, pair.now);
  const offer = () => edge.channel.offer(grant, pair.now);
  assert.throws(offer, (error) => error instanceof PosternError && error.code === "private_offer_limit");
  pair.settle();
  agent.channel.answerOffer(7, { staticKey }, pair.now);
  pair.settle();
  assert.equal(offer(), MAX_OPEN_OFFERS + 1);
  pair.settle();
  assert.equal(agent.channel.state, "established");
});

Deno.test("Channel.offer() refuses a grant that no message holds, and a channel that takes nothing new", () => {
  const pair = new ChannelPair().establish();
  const { edge } = pair;
  const code = (wanted: string) => (error: unknown) => error instanceof PosternError && error.code === wanted;
  const long = { ...grant, allowed_suites: Array.from({ length: 60 }, () => "N".repeat(250)) };
  assert.throws(() => edge.channel.offer(long, pair.now), code("grant_malformed"));
  edge.channel.drain("draining", 1_000, pair.now);
  assert.throws(() => edge.channel.offer(grant, pair.now), code("peer_draining"));
  pair.agent.channel.answerOffer(1, { staticKey }, pair.now); // never offered: nothing is said
  pair.cut();
  assert.throws(() => edge.channel.offer(grant, pair.now), code("channel_closed"));
});

const answer = { type: "private_channel_answer", offer: 1, static_key: staticKey };
const wrongAnswers: readonly (readonly [string, Record<string, unknown>])[] = [
  ["to nothing", { ...answer, offer: 2 }],
  ["without a key or an error", { type: answer.type, offer: 1 }],
  ["with both", { ...answer, error: "agent_busy" }],
  ["with a short key", { ...answer, static_key: "AAAA" }],
  ["with an error that is no code", { type: answer.type, offer: 1, error: "No room!" }],
  ["that is an offer", { type: "private_channel_offer", offer: 1, grant: {} }],
];
for (const [name, said] of wrongAnswers) {
  Deno.test(`Channel: an agent's answer ${name} ends the channel: frame_bad_control`, () => {
    const { pair, edge, raw } = edgeWithRawAgent();
    edge.channel.accept(READY, pair.now);
    edge.channel.offer(grant, pair.now);
    raw.controls(edge);
    edge.receive(raw.seal(control(said)));
    edge.takeRecord();
    assert.equal(edge.error?.code, "frame_bad_control");
    assert.deepEqual(edge.offerAnswers, []);
  });
}

Deno.test("Channel: an agent that answers twice is cut: frame_bad_control", () => {
  const { pair, edge, raw } = edgeWithRawAgent();
  edge.channel.accept(READY, pair.now);
  edge.channel.offer(grant, pair.now);
  raw.controls(edge);
  for (const _ of [1, 2]) edge.receive(raw.seal(control(answer)));
  edge.takeRecord();
  assert.deepEqual([edge.error?.code, edge.offerAnswers.length], ["frame_bad_control", 1]);
});

const offer = { type: "private_channel_offer", offer: 1, grant: { any: "field" } };
const wrongOffers: readonly (readonly [string, readonly Record<string, unknown>[]])[] = [
  ["out of turn", [{ ...offer, offer: 2 }]],
  ["made twice", [offer, offer]],
  ["without a grant", [{ ...offer, grant: "secret" }]],
  ["with a field too many", [{ ...offer, more: 1 }]],
  ["beyond the limit", Array.from({ length: MAX_OPEN_OFFERS + 1 }, (_, i) => ({ ...offer, offer: i + 1 }))],
];
for (const [name, said] of wrongOffers) {
  Deno.test(`Channel: an edge's offer ${name} ends the channel: frame_bad_control`, () => {
    const { agent, raw } = agentWithRawEdge();
    agent.receive(raw.seal(control(READY)));
    for (const message of said) agent.receive(raw.seal(control(message)));
    agent.takeRecord();
    assert.equal(agent.error?.code, "frame_bad_control");
    assert.equal(agent.offers.length, said.length - 1);
  });
}

Deno.test("Channel: an agent without private services takes no offer: frame_bad_control", () => {
  const { agent, raw } = agentWithRawEdge();
  agent.takesNoOffers();
  agent.receive(raw.seal(control(READY)));
  agent.receive(raw.seal(control(offer)));
  agent.takeRecord();
  assert.equal(agent.error?.code, "frame_bad_control");
});
