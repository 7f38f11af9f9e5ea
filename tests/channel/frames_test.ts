import assert from "node:assert/strict";
import { concat, utf8 } from "../../src/bytes/mod.ts";
import type { ErrorCode } from "../../src/errors/mod.ts";
import { FrameFlag, FrameType, openingBytes, resetNumber, writeOpening } from "../../src/wire/mod.ts";
import { READY } from "../support/channel_pair.ts";
import { OPENING, pattern, StreamUser } from "../support/mux_pair.ts";
import { agentWithRawEdge, edgeWithRawAgent, frameBytes } from "../support/raw_peer.ts";

function openFrame(id: number): Uint8Array {
  const payload = new Uint8Array(openingBytes(OPENING));
  writeOpening(payload, 0, OPENING);
  return frameBytes(FrameType.open, id, payload);
}

const goaway = frameBytes(FrameType.goaway, 0, new Uint8Array(6));
const control = (value: unknown) => frameBytes(FrameType.control, 0, utf8(JSON.stringify(value)));
const close = (code: string) => frameBytes(FrameType.close, 0, utf8(code));

Deno.test("Channel refuses streams and GOAWAY of an agent that is not accepted yet with record_unexpected", () => {
  for (const body of [openFrame(1), goaway]) {
    const { edge, raw } = edgeWithRawAgent();
    edge.receive(raw.seal(body));
    edge.takeRecord();
    assert.equal(edge.channel.reason, "record_unexpected");
    assert.equal(edge.accepted.length, 0);
  }
});

Deno.test("Channel ends with the frame's code whatever a peer seals, and takes nothing more from it", () => {
  const cases: [ErrorCode, Uint8Array][] = [
    ["frame_truncated", pattern(3)],
    ["frame_unknown_type", frameBytes(99 as FrameType, 0, pattern(0))],
    ["frame_bad_flags", frameBytes(FrameType.ping, 0, pattern(8), 1)],
    ["frame_bad_length", frameBytes(FrameType.ping, 0, pattern(7))],
    ["frame_bad_stream", frameBytes(FrameType.ping, 3, pattern(8))],
    ["frame_bad_open", openFrame(1).with(9, 9)],
    ["frame_bad_control", control({ type: "ready" })],
    ["stream_id_reused", openFrame(2)],
    ["stream_after_end", frameBytes(FrameType.data, 1, pattern(1))],
    ["credit_exceeded", frameBytes(FrameType.data, 3, pattern(60_000))],
    ["credit_overflow", frameBytes(FrameType.credit, 0, new Uint8Array(4).fill(0xff))],
  ];
  for (const [code, body] of cases) {
    const { pair, edge, raw } = edgeWithRawAgent();
    edge.channel.accept(READY, pair.now);
    edge.answer = () => new StreamUser();
    if (code === "stream_after_end") {
      edge.receive(raw.seal(concat(openFrame(1), frameBytes(FrameType.data, 1, pattern(1), FrameFlag.end))));
    }
    if (code === "credit_exceeded") {
      edge.receive(raw.seal(openFrame(3)));
      for (let i = 0; i < 4; i++) edge.receive(raw.seal(body));
    }
    assert.equal(edge.channel.state, "established", code);
    edge.receive(raw.seal(body));
    assert.equal(edge.channel.state, "closing", code);
    edge.receive(raw.seal(openFrame(101)));
    edge.receive(raw.seal(close("")));
    while (edge.takeRecord() !== undefined);
    assert.equal(edge.channel.reason, code);
    assert.equal(edge.error!.code, code);
    assert.equal(edge.channel.openStreams, 0);
  }
});

Deno.test("Channel: `ready` is taken once, from an edge, and only in its shape; all else is frame_bad_control", () => {
  for (
    const value of [
      {},
      { ...READY, type: "other" },
      { ...READY, session_id: "" },
      { ...READY, heartbeat_ms: 1 },
      { ...READY, more: 1 },
    ]
  ) {
    const { agent, raw } = agentWithRawEdge();
    agent.receive(raw.seal(control(value)));
    while (agent.takeRecord() !== undefined);
    assert.equal(agent.channel.reason, "frame_bad_control");
    assert.equal(agent.ready, undefined);
  }
  const twice = agentWithRawEdge();
  twice.agent.receive(twice.raw.seal(control(READY)));
  assert.equal(twice.agent.channel.state, "established");
  twice.agent.receive(twice.raw.seal(control(READY)));
  while (twice.agent.takeRecord() !== undefined);
  assert.equal(twice.agent.channel.reason, "frame_bad_control");
});

Deno.test("Channel: what a CLOSE says ends the channel at once with that code", () => {
  const cases: [string, ErrorCode | undefined][] = [
    ["", undefined],
    ["session_fenced", "session_fenced"],
    ["tunnel_deleted", "tunnel_deleted"],
    ["of_a_later_version", "peer_closed"],
    ["\u00ff\u0000", "peer_closed"],
  ];
  for (const [told, reason] of cases) {
    const { agent, raw } = agentWithRawEdge();
    agent.receive(raw.seal(control(READY)));
    const user = agent.open();
    // Nothing that follows CLOSE counts, not even in the same record.
    agent.receive(raw.seal(concat(close(told), openFrame(2))));
    assert.equal(agent.channel.state, reason === undefined ? "closed" : "failed");
    assert.deepEqual([agent.channel.reason, agent.error?.code], [reason, reason]);
    assert.equal(user.reset, reason === "session_fenced" ? "fenced" : "channel_lost");
    assert.deepEqual([agent.accepted.length, agent.takeRecord(), agent.channel.finished], [
      0,
      undefined,
      true,
    ]);
  }
  const { agent, raw } = agentWithRawEdge();
  agent.receive(raw.seal(close("of_a_later_version")));
  assert.equal(agent.channel.reason, "handshake_refused", "before it was ever established");
});

Deno.test("Channel: CLOSE that is no UTF-8 is peer text like any other", () => {
  const { agent, raw } = agentWithRawEdge();
  agent.receive(raw.seal(control(READY)));
  agent.receive(raw.seal(frameBytes(FrameType.close, 0, Uint8Array.of(0xff, 0xfe))));
  assert.equal(agent.channel.reason, "peer_closed");
});

Deno.test("Channel answers PING with its 8 bytes and ends a peer that floods it with control_flood", () => {
  const { pair, edge, raw } = edgeWithRawAgent();
  edge.channel.accept(READY, pair.now);
  const pings = new Uint8Array(4_000 * 16);
  for (let i = 0; i < 4_000; i++) pings.set(frameBytes(FrameType.ping, 0, pattern(8, i)), i * 16);
  for (let i = 0; i < 17 && edge.channel.state === "established"; i++) edge.receive(raw.seal(pings));
  while (edge.takeRecord() !== undefined);
  assert.equal(edge.channel.reason, "control_flood");
});

Deno.test("Channel takes PADDING and PONGs that answer nothing without a sign", () => {
  const { pair, edge, raw } = edgeWithRawAgent();
  edge.channel.accept(READY, pair.now);
  const before = edge.channel.deadline;
  pair.now += 5_000;
  const pong = (sequence: number) => frameBytes(FrameType.pong, 0, new Uint8Array(8).with(7, sequence));
  edge.receive(raw.seal(concat(frameBytes(FrameType.padding, 0, pattern(500)), pong(0), pong(200))));
  assert.deepEqual([edge.echoes.length, edge.channel.deadline], [0, before]);
  edge.receive(raw.seal(pong(1)));
  assert.deepEqual(edge.echoes, [5_000]);
});

Deno.test("Channel: a reset that this side sends has the reason's number", () => {
  const { pair, edge, raw } = edgeWithRawAgent();
  edge.channel.accept(READY, pair.now);
  edge.answer = () => "class_denied";
  edge.receive(raw.seal(openFrame(1)));
  assert.equal(resetNumber("class_denied"), 9);
  assert.equal(edge.channel.openStreams, 0);
  edge.receive(raw.seal(frameBytes(FrameType.data, 1, pattern(10))));
  assert.equal(edge.channel.state, "established");
});
