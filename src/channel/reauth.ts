/**
 * Re-authentication of a channel that stands, without IO. The edge asks with a fresh nonce, the agent proves itself anew, and
 * both change to new keys (ratchet.ts) while traffic goes on:
 *
 * ```
 *   edge:   idle --ask--> asked --proof--> judging --settle--> idle
 *   agent:  idle --request--> asked --answer--> answered --done--> idle
 *
 *   agent                                                        edge
 *             <--  reauth_request {round, session_nonce, deadline_ms, key, kem}
 *   evidence for (nonce, transcript) -> stage 1 token
 *   reauth_proof {round, session_nonce, token, key, kem}  -->
 *   ~~~ agent seals with the new key ~~~                         verify, then
 *             <--  reauth_done {round, next_ms}
 *                                                   ~~~ edge seals with the new key ~~~
 * ```
 * Carriers lose nothing and keep order, so each direction's first record behind its message is the first under the new key.
 * Whatever does not fit its moment ends the channel: there is no second attempt.
 */
import { equalConstantTime, fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { generateX25519KeyPair, mlKem768, type NoiseKeyPair, x25519 } from "../crypto/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";
import type { ReauthChallenge, ReauthProof } from "./events.ts";
import { decodePayload, encodePayload } from "./handshake_payload.ts";
import { ratchetKeys, ratchetTranscript } from "./ratchet.ts";
import { reauthProof, reauthQuestion, type ReauthRequest } from "./reauth_messages.ts";

/** What both sides have from the opening of the channel. */
export interface ReauthBasis {
  /** 32 secret bytes; owned, and zeroed when they are used. */
  readonly root: Uint8Array;
  readonly handshakeHash: Uint8Array;
  readonly agentStatic: Uint8Array;
  /** Nonce of the opening: never asked again. */
  readonly sessionNonce: Uint8Array;
  readonly random: Random;
}

/** A message that goes out as a record of its own, and the key behind it (32 secret bytes). */
export interface KeyedMessage {
  readonly payload: Uint8Array;
  readonly key: Uint8Array;
}

const NONCE_BYTES = 32;
/** Bytes of the round at the end of a nonce: so that none is ever the same as another of the channel. */
const ROUND_BYTES = 4;

/** Secrets of the edge while its question is open. */
interface Question {
  readonly sessionNonce: Uint8Array;
  readonly dh: NoiseKeyPair;
  readonly kem: NoiseKeyPair;
}

/** The edge's side. */
export class ReauthAsker {
  readonly #basis: ReauthBasis;
  #root: Uint8Array;
  #phase: "idle" | "asked" | "judging" = "idle";
  #round = 0;
  #question: Question | undefined;
  #sendKey: Uint8Array | undefined;
  /** Monotonic time at which the agent, or the judgement, is late; Infinity while nothing is open. */
  deadline = Infinity;

  constructor(basis: ReauthBasis) {
    this.#basis = basis;
    this.#root = basis.root;
  }

  get isOpen(): boolean {
    return this.#phase !== "idle";
  }
  /** Rounds so far, the open one included. */
  get round(): number {
    return this.#round;
  }

  /** The question. @param graceMs time for the answer. @throws PosternError `reauth_overlap` */
  ask(graceMs: number, now: number): Uint8Array {
    if (this.#phase !== "idle") throw overlap();
    const { random } = this.#basis;
    const round = ++this.#round;
    const sessionNonce = random(NONCE_BYTES);
    new DataView(sessionNonce.buffer, sessionNonce.byteOffset).setUint32(NONCE_BYTES - ROUND_BYTES, round);
    const question = this.#question = {
      sessionNonce,
      dh: generateX25519KeyPair(random),
      kem: mlKem768.generateKeyPair(random),
    };
    this.#phase = "asked";
    this.deadline = now + graceMs;
    return encodePayload({
      type: "reauth_request",
      round,
      session_nonce: toBase64Url(sessionNonce),
      deadline_ms: graceMs,
      key: toBase64Url(question.dh.publicKey),
      kem: toBase64Url(question.kem.publicKey),
    });
  }

  /**
   * The agent's answer: what is to be judged, and the key under which its next record comes.
   * @param judgeMs time for the judgement
   * @throws PosternError `frame_bad_control`, `reauth_*`, `noise_bad_public_key`
   */
  readProof(payload: Uint8Array, judgeMs: number, now: number): { proof: ReauthProof; key: Uint8Array } {
    const message = decodePayload(reauthProof, payload, "frame_bad_control");
    this.#checkTurn(message.round);
    if (now >= this.deadline) throw refused("reauth_timeout", "its time is over");
    const { sessionNonce, dh, kem } = this.#question!;
    if (!equalConstantTime(fromBase64Url(message.session_nonce), sessionNonce)) {
      throw refused("reauth_wrong_nonce", "it answers another question");
    }
    const agentKey = fromBase64Url(message.key);
    const agentKem = fromBase64Url(message.kem);
    const { handshakeHash, agentStatic } = this.#basis;
    const transcript = ratchetTranscript(handshakeHash, this.#round, sessionNonce, {
      edgeKey: dh.publicKey,
      edgeKem: kem.publicKey,
      agentKey,
      agentKem,
    });
    const dhSecret = x25519(dh.privateKey, agentKey);
    const keys = ratchetKeys(
      this.#root,
      dhSecret,
      mlKem768.decapsulate(kem.privateKey, agentKem),
      transcript,
    );
    this.#forget();
    this.#root = keys.root;
    this.#sendKey = keys.edgeToAgent;
    this.#phase = "judging";
    this.deadline = now + judgeMs;
    const proof = { token: message.token, sessionNonce, handshakeHash: transcript, agentStatic };
    return { proof, key: keys.agentToEdge };
  }

  /** The proof holds: tells the agent, and when it is asked next. Undefined when nothing was judged. */
  settle(nextMs: number | undefined): KeyedMessage | undefined {
    const key = this.#sendKey;
    if (this.#phase !== "judging" || key === undefined) return undefined;
    this.#sendKey = undefined;
    this.#phase = "idle";
    this.deadline = Infinity;
    const next = nextMs === undefined ? {} : { next_ms: nextMs };
    return { payload: encodePayload({ type: "reauth_done", round: this.#round, ...next }), key };
  }

  wipe(): void {
    this.#forget();
    this.#root.fill(0);
    this.#sendKey?.fill(0);
    this.#sendKey = undefined;
    this.deadline = Infinity;
  }

  #checkTurn(round: number): void {
    if (this.#phase !== "asked" && round === this.#round && round > 0) {
      throw this.#phase === "judging"
        ? refused("reauth_duplicate", "it was answered already")
        : refused("reauth_replayed", "it is over");
    }
    if (round < this.#round) throw refused("reauth_replayed", "it is over");
    if (round > this.#round) throw refused("reauth_unsolicited", "nobody has asked it");
  }

  #forget(): void {
    this.#question?.dh.privateKey.fill(0);
    this.#question?.kem.privateKey.fill(0);
    this.#question = undefined;
  }
}

/** What the agent holds from the question on. */
interface Answer {
  readonly sessionNonce: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly dhSecret: Uint8Array;
  readonly kemSecret: Uint8Array;
  readonly transcript: Uint8Array;
}

/** The agent's side. */
export class ReauthAnswerer {
  readonly #basis: ReauthBasis;
  #root: Uint8Array;
  #phase: "idle" | "asked" | "answered" = "idle";
  #round = 0;
  #lastNonce: Uint8Array;
  #answer: Answer | undefined;
  #receiveKey: Uint8Array | undefined;
  /** Monotonic time at which the edge is late with its verdict; Infinity while nothing was answered. */
  deadline = Infinity;

  constructor(basis: ReauthBasis) {
    this.#basis = basis;
    this.#root = basis.root;
    this.#lastNonce = basis.sessionNonce;
  }

  get isOpen(): boolean {
    return this.#phase !== "idle";
  }

  /**
   * What the edge says: a question to be answered, or that the answer holds, with the key under which its next record comes.
   * @throws PosternError `frame_bad_control`, `reauth_*`, `noise_bad_public_key`
   */
  read(
    payload: Uint8Array,
  ): { challenge: ReauthChallenge } | { nextMs: number | undefined; key: Uint8Array } {
    const message = decodePayload(reauthQuestion, payload, "frame_bad_control");
    if (message.type === "reauth_request") return { challenge: this.#readRequest(message) };
    const key = this.#receiveKey;
    if (key === undefined || message.round !== this.#round) {
      throw refused("reauth_unsolicited", "nothing was answered");
    }
    this.#receiveKey = undefined;
    this.#phase = "idle";
    this.deadline = Infinity;
    return { nextMs: message.next_ms, key };
  }

  /** The proof for the open question. Undefined when there is none. @param verdictMs time for the edge's verdict */
  answer(token: string, verdictMs: number, now: number): KeyedMessage | undefined {
    const answer = this.#answer;
    if (answer === undefined) return undefined;
    const keys = ratchetKeys(this.#root, answer.dhSecret, answer.kemSecret, answer.transcript);
    this.#answer = undefined;
    this.#root = keys.root;
    this.#receiveKey = keys.edgeToAgent;
    this.#phase = "answered";
    this.deadline = now + verdictMs;
    const payload = encodePayload({
      type: "reauth_proof",
      round: this.#round,
      session_nonce: toBase64Url(answer.sessionNonce),
      token,
      key: toBase64Url(answer.publicKey),
      kem: toBase64Url(answer.ciphertext),
    });
    return { payload, key: keys.agentToEdge };
  }

  wipe(): void {
    this.#root.fill(0);
    this.#answer?.dhSecret.fill(0);
    this.#answer?.kemSecret.fill(0);
    this.#receiveKey?.fill(0);
    this.#answer = this.#receiveKey = undefined;
    this.deadline = Infinity;
  }

  #readRequest({ round, session_nonce, deadline_ms, key, kem }: ReauthRequest): ReauthChallenge {
    if (this.#phase !== "idle") throw overlap();
    if (round <= this.#round) throw refused("reauth_replayed", "it was asked before");
    if (round !== this.#round + 1) throw refused("reauth_wrong_round", "others should have come before");
    const { random, handshakeHash, agentStatic, sessionNonce: opening } = this.#basis;
    const sessionNonce = fromBase64Url(session_nonce);
    for (const before of [opening, this.#lastNonce]) {
      if (equalConstantTime(before, sessionNonce)) {
        throw refused("reauth_replayed", "its nonce was used before");
      }
    }
    const edgeKey = fromBase64Url(key);
    const edgeKem = fromBase64Url(kem);
    const { publicKey, privateKey } = generateX25519KeyPair(random);
    const dhSecret = x25519(privateKey, edgeKey);
    privateKey.fill(0);
    const { ciphertext, sharedSecret: kemSecret } = mlKem768.encapsulate(edgeKem, random);
    const publics = { edgeKey, edgeKem, agentKey: publicKey, agentKem: ciphertext };
    const transcript = ratchetTranscript(handshakeHash, round, sessionNonce, publics);
    this.#round = round;
    this.#lastNonce = sessionNonce;
    this.#answer = { sessionNonce, publicKey, ciphertext, dhSecret, kemSecret, transcript };
    this.#phase = "asked";
    return { sessionNonce, handshakeHash: transcript, agentStatic, withinMs: deadline_ms };
  }
}

function overlap(): PosternError {
  return new PosternError("reauth_overlap", "Cannot ask for a new proof: one is waited for already");
}

function refused(code: ErrorCode, state: string): PosternError {
  return new PosternError(code, `Cannot take part in the re-authentication: ${state}`);
}
