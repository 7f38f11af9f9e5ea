/** Both sides of a handshake in memory, from seeds: the same seed gives the same bytes. */
import { createHash } from "node:crypto";
import { utf8 } from "../../../src/bytes/mod.ts";
import {
  generateX25519KeyPair,
  HandshakeState,
  needsLocalStatic,
  needsRemoteStatic,
  type NoiseSuite,
  parseProtocolName,
} from "../../../src/crypto/mod.ts";
import type { Random } from "../../../src/ports/mod.ts";

export const XK = "Noise_XK_25519_ChaChaPoly_SHA256";
export const XX = "Noise_XX_25519_ChaChaPoly_SHA256";
export const XK_HFS = "Noise_XKhfs_25519+MLKEM768_ChaChaPoly_SHA256";

/** A stream of bytes that depends on the seed only. */
export function seededRandom(seed: string): Random {
  let calls = 0;
  return (bytes) => {
    const hash = createHash("shake256", { outputLength: bytes });
    return new Uint8Array(hash.update(`${seed} ${calls++}`).digest());
  };
}

export const initiatorStatic = generateX25519KeyPair(seededRandom("initiator static"));
export const responderStatic = generateX25519KeyPair(seededRandom("responder static"));

export interface SideOptions {
  readonly seed?: string;
  readonly prologue?: Uint8Array;
  readonly suite?: NoiseSuite;
  readonly psks?: Uint8Array[];
  readonly rs?: Uint8Array;
  readonly random?: Random;
}

/** One side with what the pattern needs of the two static keys. */
export function side(protocolName: string, initiator: boolean, options: SideOptions = {}): HandshakeState {
  const { pattern } = parseProtocolName(protocolName);
  const [own, other] = initiator ? [initiatorStatic, responderStatic] : [responderStatic, initiatorStatic];
  return new HandshakeState({
    protocolName,
    initiator,
    prologue: options.prologue ?? utf8("prologue"),
    s: needsLocalStatic(pattern, initiator) ? own : undefined,
    rs: options.rs ?? (needsRemoteStatic(pattern, initiator) ? other.publicKey : undefined),
    psks: options.psks ?? Array.from({ length: pattern.psks }, (_, i) => seededRandom(`psk ${i}`)(32)),
    random: options.random ?? seededRandom(`${options.seed ?? "seed"} ${initiator}`),
    suite: options.suite,
  });
}

/** [initiator, responder]. */
export function pair(protocolName: string, options: SideOptions = {}): [HandshakeState, HandshakeState] {
  return [side(protocolName, true, options), side(protocolName, false, options)];
}

export function payloadOf(index: number): Uint8Array {
  return utf8(`payload ${index}`);
}

/** Runs all messages; returns them. */
export function complete([initiator, responder]: [HandshakeState, HandshakeState]): Uint8Array[] {
  const messages: Uint8Array[] = [];
  while (!initiator.finished) {
    const [writer, reader] = initiator.myTurn ? [initiator, responder] : [responder, initiator];
    const message = writer.writeMessage(payloadOf(messages.length));
    const payload = reader.readMessage(message);
    if (payload.toHex() !== payloadOf(messages.length).toHex()) throw new Error("the payload differs");
    messages.push(message);
  }
  return messages;
}

/** The side that reads message `index`, with all earlier messages of the same seed behind it. */
export function readerOf(protocolName: string, index: number, messages: Uint8Array[]): HandshakeState {
  const initiator = index % 2 === 1;
  const reader = side(protocolName, initiator);
  for (let i = 0; i < index; i++) {
    if (reader.myTurn) reader.writeMessage(payloadOf(i));
    else reader.readMessage(messages[i]);
  }
  return reader;
}

/** For assert.throws: a PosternError with this code. */
export function code(expected: string): (error: unknown) => boolean {
  return (error) => (error as { code?: unknown }).code === expected;
}
