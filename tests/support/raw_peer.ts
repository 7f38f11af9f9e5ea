/** A peer that has shaken hands and then seals whatever it wants: what a hostile or broken other side can say. */
import { ReauthAnswerer, ReauthAsker, RecordLayer, REKEY_LIMITS } from "../../src/channel/mod.ts";
import { HandshakeInitiator, HandshakeResponder } from "../../src/channel/mod.ts";
import { generateX25519KeyPair, type TransportKeys } from "../../src/crypto/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import {
  FRAME_HEADER_BYTES,
  FrameReader,
  FrameType,
  RecordKind,
  writeFrameHeader,
} from "../../src/wire/mod.ts";
import { RECORD_HEADER_BYTES, writeRecordHeader } from "../../src/wire/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { type ChannelEnd, ChannelPair, EDGE_STATIC, TOKEN } from "./channel_pair.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));

/** One frame as bytes, right or wrong. */
export function frameBytes(type: FrameType, stream: number, payload: Uint8Array, flags = 0): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(bytes, 0, type, flags, payload.length, stream);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

export class RawPeer {
  readonly #core = referenceCore({ memoryBytes: 65_536 * 4 });
  readonly records: RecordLayer;

  constructor(keys: TransportKeys, initiator: boolean) {
    const { initiatorToResponder, responderToInitiator, root } = keys;
    this.records = new RecordLayer({
      core: this.#core,
      keys: {
        initiatorToResponder: initiatorToResponder.slice(),
        responderToInitiator: responderToInitiator.slice(),
        root,
      },
      initiator,
      limits: REKEY_LIMITS,
      onRekey() {},
    }, 0);
  }

  /** A record with this body, as the next one of this direction. */
  seal(body: Uint8Array): Uint8Array {
    const { memory, arena } = this.#core;
    memory.set(body, arena.offset + RECORD_HEADER_BYTES);
    const end = this.records.seal(arena.offset, arena.offset + RECORD_HEADER_BYTES + body.length, 0);
    return memory.slice(arena.offset, end);
  }

  /** Opens all that the end has to say; the payloads of its CONTROL frames. */
  controls(end: ChannelEnd): Uint8Array[] {
    const { memory, arena } = this.#core;
    const found: Uint8Array[] = [];
    for (let record = end.takeRecord(); record !== undefined; record = end.takeRecord()) {
      memory.set(record, arena.offset);
      const bodyEnd = this.records.open(arena.offset, arena.offset + record.length, 0);
      const reader = new FrameReader();
      for (let at = arena.offset + RECORD_HEADER_BYTES; at < bodyEnd; at = reader.payloadEnd) {
        reader.read(memory, at, bodyEnd);
        if (reader.type === FrameType.control) {
          found.push(memory.slice(reader.payloadStart, reader.payloadEnd));
        }
      }
    }
    return found;
  }
}

function handshakeRecord(message: Uint8Array): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + message.length);
  writeRecordHeader(record, 0, RecordKind.handshake, 0);
  record.set(message, RECORD_HEADER_BYTES);
  return record;
}

/** An edge that is `authorizing`, and the raw agent that it waits with. */
export function edgeWithRawAgent(): {
  pair: ChannelPair;
  edge: ChannelEnd;
  raw: RawPeer;
  /** The agent's side of re-authentication. */
  answerer: () => ReauthAnswerer;
} {
  const pair = new ChannelPair();
  const { edge } = pair;
  edge.onProof = () => {};
  edge.channel.start(pair.now);
  const handshake = new HandshakeInitiator({
    suite: "classic",
    agentStatic: generateX25519KeyPair(random),
    edgeStatic: EDGE_STATIC.publicKey,
    random,
  });
  const tell = (message: Uint8Array) => {
    edge.inbox.push(handshakeRecord(message));
    pair.deliver(edge);
  };
  tell(handshake.open({ token: TOKEN, agent_version: "raw" }));
  handshake.readChallenge(edge.takeRecord()!.subarray(RECORD_HEADER_BYTES));
  const { message, keys }: { message: Uint8Array; keys: TransportKeys } = handshake.prove(TOKEN, undefined);
  tell(message);
  const answerer = () => new ReauthAnswerer(handshake.reauthBasis(keys.root.slice()));
  return { pair, edge, raw: new RawPeer(keys, true), answerer };
}

/** An agent that is `authorizing`, and the raw edge that it waits for. */
export function agentWithRawEdge(): {
  pair: ChannelPair;
  agent: ChannelEnd;
  raw: RawPeer;
  /** The edge's side of re-authentication. */
  asker: () => ReauthAsker;
} {
  const pair = new ChannelPair();
  const { agent } = pair;
  agent.channel.start(pair.now);
  const handshake = new HandshakeResponder({ edgeStatic: EDGE_STATIC, allowedSuites: ["classic"], random });
  handshake.readOpening(agent.takeRecord()!.subarray(RECORD_HEADER_BYTES));
  agent.inbox.push(handshakeRecord(handshake.challenge("raw", "1", 10_000)));
  pair.deliver(agent);
  const { keys } = handshake.readProof(agent.takeRecord()!.subarray(RECORD_HEADER_BYTES));
  const asker = () => new ReauthAsker(handshake.reauthBasis(keys.root.slice()));
  return { pair, agent, raw: new RawPeer(keys, false), asker };
}
