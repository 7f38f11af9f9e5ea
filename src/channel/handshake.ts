/**
 * The three messages of the attested handshake, as bytes of handshake records:
 *
 * ```
 * agent                                              edge
 *   suite u8 · Noise message 1 {stage 0 token}   -->         verify, then
 *            <--  Noise message 2 {session_nonce ...}        or {error}
 *   evidence for (nonce, handshake hash) -> stage 1 token
 *   Noise message 3 {stage 1 token}              -->         verify, then CONTROL ready
 * ```
 */
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { HandshakeState, type TransportKeys } from "../crypto/mod.ts";
import type { X25519KeyPair } from "../crypto/mod.ts";
import { type ErrorCode, isErrorCode, PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";
import {
  type CarrierPlace,
  challengePayload,
  decodePayload,
  encodePayload,
  type Stage0Payload,
  stage0Payload,
  stage1Payload,
} from "./handshake_payload.ts";
import type { Challenge, Proof } from "./events.ts";
import type { ReauthBasis } from "./reauth.ts";
import { suiteId, type SuiteName, suiteOfId, suiteProtocolName, tunnelPrologue } from "./suite.ts";

const NONCE_BYTES = 32;

/** The agent's side. Methods are to be called in the order in which they stand. */
export class HandshakeInitiator {
  readonly #suite: SuiteName;
  readonly #state: HandshakeState;
  readonly #agentStatic: Uint8Array;
  readonly #random: Random;
  #handshakeHash: Uint8Array = new Uint8Array(0);
  #sessionNonce: Uint8Array = new Uint8Array(0);

  /** @param edgeStatic the edge's static public key, from the signed candidates */
  constructor(
    options: { suite: SuiteName; agentStatic: X25519KeyPair; edgeStatic: Uint8Array; random: Random },
  ) {
    this.#suite = options.suite;
    this.#random = options.random;
    this.#agentStatic = options.agentStatic.publicKey;
    this.#state = new HandshakeState({
      protocolName: suiteProtocolName(options.suite),
      initiator: true,
      prologue: tunnelPrologue(options.suite),
      s: options.agentStatic,
      rs: options.edgeStatic,
      random: options.random,
    });
  }

  open(payload: Stage0Payload): Uint8Array {
    const message = this.#state.writeMessage(encodePayload(payload));
    const body = new Uint8Array(1 + message.length);
    body[0] = suiteId(this.#suite);
    body.set(message, 1);
    return body;
  }

  /** @throws PosternError what the edge refused with, or `handshake_malformed`, `noise_*` */
  readChallenge(message: Uint8Array): Challenge & { expiresInMs: number } {
    const payload = decodePayload(challengePayload, this.#state.readMessage(message), "handshake_malformed");
    if ("error" in payload) throw refusal(payload.error);
    this.#sessionNonce = fromBase64Url(payload.session_nonce);
    this.#handshakeHash = this.#state.handshakeHash;
    return {
      sessionNonce: this.#sessionNonce,
      handshakeHash: this.#handshakeHash,
      agentStatic: this.#agentStatic,
      edgeId: payload.edge_id,
      expiresInMs: payload.expires_in_ms,
    };
  }

  prove(
    token: string,
    replaces: string | undefined,
    carrier?: CarrierPlace,
  ): { message: Uint8Array; keys: TransportKeys } {
    const message = this.#state.writeMessage(encodePayload({
      token,
      ...(replaces === undefined ? {} : { replaces }),
      ...(carrier === undefined ? {} : { carrier }),
    }));
    return { message, keys: this.#state.split() };
  }

  /** After {@link prove}. @param root of its keys */
  reauthBasis(root: Uint8Array): ReauthBasis {
    return {
      root,
      handshakeHash: this.#handshakeHash,
      agentStatic: this.#agentStatic,
      sessionNonce: this.#sessionNonce,
      random: this.#random,
    };
  }

  wipe(): void {
    this.#state.wipe();
  }
}

/** The edge's side. */
export class HandshakeResponder {
  readonly #edgeStatic: X25519KeyPair;
  readonly #allowed: readonly SuiteName[];
  readonly #random: Random;
  #state: HandshakeState | undefined;
  #handshakeHash: Uint8Array = new Uint8Array(0);
  #agentStatic: Uint8Array = new Uint8Array(0);
  readonly #sessionNonce: Uint8Array;

  constructor(options: { edgeStatic: X25519KeyPair; allowedSuites: readonly SuiteName[]; random: Random }) {
    this.#edgeStatic = options.edgeStatic;
    this.#allowed = options.allowedSuites;
    this.#random = options.random;
    this.#sessionNonce = options.random(NONCE_BYTES);
  }

  /** @throws PosternError `handshake_suite_refused`, `handshake_malformed`, `noise_*` */
  readOpening(body: Uint8Array): Stage0Payload {
    const suite = suiteOfId(body[0], this.#allowed);
    this.#state = new HandshakeState({
      protocolName: suiteProtocolName(suite),
      initiator: false,
      prologue: tunnelPrologue(suite),
      s: this.#edgeStatic,
      random: this.#random,
    });
    return decodePayload(stage0Payload, this.#state.readMessage(body.subarray(1)), "handshake_malformed");
  }

  challenge(edgeId: string, edgeVersion: string, expiresInMs: number): Uint8Array {
    const message = this.#state!.writeMessage(encodePayload({
      session_nonce: toBase64Url(this.#sessionNonce),
      expires_in_ms: expiresInMs,
      edge_id: edgeId,
      edge_version: edgeVersion,
    }));
    this.#handshakeHash = this.#state!.handshakeHash;
    return message;
  }

  /** Message 2 in its refusing form; only this agent can read it, and it knows that this edge wrote it. */
  refuse(code: ErrorCode): Uint8Array {
    return this.#state!.writeMessage(encodePayload({ error: code }));
  }

  /** @throws PosternError `handshake_malformed`, `noise_*` */
  readProof(message: Uint8Array): { proof: Proof; keys: TransportKeys } {
    const payload = decodePayload(stage1Payload, this.#state!.readMessage(message), "handshake_malformed");
    const keys = this.#state!.split();
    this.#agentStatic = this.#state!.remoteStatic!;
    const proof: Proof = {
      token: payload.token,
      sessionNonce: this.#sessionNonce,
      handshakeHash: this.#handshakeHash,
      agentStatic: this.#agentStatic,
      replaces: payload.replaces,
      carrier: payload.carrier,
    };
    return { proof, keys };
  }

  /** After {@link readProof}. @param root of its keys */
  reauthBasis(root: Uint8Array): ReauthBasis {
    return {
      root,
      handshakeHash: this.#handshakeHash,
      agentStatic: this.#agentStatic,
      sessionNonce: this.#sessionNonce,
      random: this.#random,
    };
  }

  wipe(): void {
    this.#state?.wipe();
  }
}

/** The error that a peer named (peer text); a code that we do not know is told as a plain refusal. */
export function refusal(code: string): PosternError {
  const known: ErrorCode = isErrorCode(code) ? code : "handshake_refused";
  const told = /^[a-z0-9_]{1,64}$/.test(code) ? code : "an unreadable code";
  return new PosternError(known, `Cannot open channel: the edge refused with ${told}`, {
    detail: { code: told },
  });
}
