/**
 * The three messages of a private channel's handshake, as bytes of handshake records. The grant's key is mixed in last, so the
 * edge and whoever forged a grant can begin it and never end it:
 *
 * ```
 * client (initiator)                              server (responder)
 *   suite u8 · e, e1                          -->
 *             <--  e, ee, ekem1, s, es {time, version, proofs}   or {error}
 *   judge: pin, name, proofs, clock
 *   s, se, psk {time, version, proofs}        -->            judge, then CONTROL ready
 * ```
 * The client knows only by `ready`, which is sealed under keys of all of it, that the server holds the grant's key: before
 * that nothing of a user is said.
 */
import { createHash } from "node:crypto";
import { utf8 } from "../bytes/mod.ts";
import { HandshakeState, type TransportKeys, type X25519KeyPair } from "../crypto/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import type { Clock, Random } from "../ports/mod.ts";
import { decodePayload, encodePayload } from "./handshake_payload.ts";
import { refusal } from "./handshake.ts";
import {
  type IdentityProof,
  type Introduction,
  introduction,
  serverIntroduction,
} from "./private_messages.ts";
import { checkWindow, privatePrologue, type PrivateTerms, suitesInBoth } from "./private_terms.ts";
import { privateSuite, type SuiteName, suiteOfId } from "./suite.ts";

export interface PrivateHandshakeOptions {
  readonly terms: PrivateTerms;
  /** The grant's key: 32 bytes. Copied; the caller wipes his own. */
  readonly psk: Uint8Array;
  /** This endpoint's own key, that peers pin. */
  readonly staticKeys: X25519KeyPair;
  readonly version: string;
  readonly random: Random;
  readonly clock: Pick<Clock, "wall">;
}

/** The other endpoint, as the handshake shows it. Of no worth before it was judged. */
export interface PrivatePeer {
  /** Which of the two it is. */
  readonly side: "client" | "server";
  /** 32 bytes; that the peer holds its private half is proven by the handshake. */
  readonly staticKey: Uint8Array;
  readonly introduction: Introduction;
  /** What its proofs have to have signed: 32 bytes. */
  readonly transcript: Uint8Array;
}

/** What an endpoint's identity signs: that the static key is its own, for this handshake and this side of it. */
export function identityTranscript(
  side: "client" | "server",
  handshakeHash: Uint8Array,
  staticKey: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const hash = createHash("sha256");
  for (const field of [utf8("postern/private-identity/v1"), utf8(side), handshakeHash, staticKey]) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, field.length);
    hash.update(length).update(field);
  }
  return new Uint8Array(hash.digest());
}

/** The side that asked for the channel. Methods are to be called in the order in which they stand. */
export class PrivateInitiator {
  readonly #options: PrivateHandshakeOptions;
  readonly #suite: SuiteName;
  readonly #state: HandshakeState;

  constructor(options: PrivateHandshakeOptions & { readonly suite: SuiteName }) {
    this.#options = options;
    this.#suite = options.suite;
    this.#state = newState(options, options.suite, true);
  }

  /** @throws PosternError `private_window_over` */
  open(): Uint8Array {
    const { terms, clock } = this.#options;
    checkWindow(terms, clock.wall());
    const message = this.#state.writeMessage(new Uint8Array(0));
    const body = new Uint8Array(1 + message.length);
    body[0] = privateSuite(this.#suite).id;
    body.set(message, 1);
    return body;
  }

  /** The server, and what this side's own proofs have to sign. @throws PosternError what it refused with, `handshake_malformed`, `noise_*` */
  readAnswer(message: Uint8Array): { peer: PrivatePeer; ownTranscript: Uint8Array } {
    const before = this.#state.handshakeHash;
    const said = decodePayload(serverIntroduction, this.#state.readMessage(message), "handshake_malformed");
    if ("error" in said) throw refusal(said.error);
    const staticKey = this.#state.remoteStatic!;
    const own = this.#options.staticKeys.publicKey;
    return {
      peer: {
        side: "server",
        staticKey,
        introduction: said,
        transcript: identityTranscript("server", before, staticKey),
      },
      ownTranscript: identityTranscript("client", this.#state.handshakeHash, own),
    };
  }

  introduce(proofs: readonly IdentityProof[]): { message: Uint8Array; keys: TransportKeys } {
    const message = this.#state.writeMessage(introducing(this.#options, proofs));
    return { message, keys: this.#state.split() };
  }

  wipe(): void {
    this.#state.wipe();
  }
}

/** The side that serves. */
export class PrivateResponder {
  readonly #options: PrivateHandshakeOptions;
  readonly #allowed: readonly SuiteName[];
  #state: HandshakeState | undefined;
  #afterAnswer: Uint8Array = new Uint8Array(0);

  /** @param options.allowedSuites of this side; the grant's count as well */
  constructor(options: PrivateHandshakeOptions & { readonly allowedSuites: readonly SuiteName[] }) {
    this.#options = { ...options, psk: options.psk.slice() };
    this.#allowed = suitesInBoth(options.terms, options.allowedSuites);
  }

  /** What this side's proofs have to sign. @throws PosternError `private_window_over`, `handshake_suite_refused`, `noise_*` */
  readOpening(body: Uint8Array): Uint8Array {
    const { terms, clock, staticKeys } = this.#options;
    checkWindow(terms, clock.wall());
    const suite = suiteOfId(body[0], this.#allowed);
    this.#state = newState(this.#options, suite, false);
    this.#options.psk.fill(0); // the handshake has its own copy, and wipes it
    if (this.#state.readMessage(body.subarray(1)).length > 0) {
      throw new PosternError("handshake_malformed", "Cannot read payload: there is to be none");
    }
    return identityTranscript("server", this.#state.handshakeHash, staticKeys.publicKey);
  }

  introduce(proofs: readonly IdentityProof[]): Uint8Array {
    const message = this.#state!.writeMessage(introducing(this.#options, proofs));
    this.#afterAnswer = this.#state!.handshakeHash;
    return message;
  }

  /** Message 2 in its refusing form. */
  refuse(code: ErrorCode): Uint8Array {
    return this.#state!.writeMessage(encodePayload({ error: code }));
  }

  /** The client, which holds the grant's key. @throws PosternError `handshake_malformed`, `noise_*` */
  readJoining(message: Uint8Array): { peer: PrivatePeer; keys: TransportKeys } {
    const state = this.#state!;
    const said = decodePayload(introduction, state.readMessage(message), "handshake_malformed");
    const keys = state.split();
    const staticKey = state.remoteStatic!;
    const transcript = identityTranscript("client", this.#afterAnswer, staticKey);
    return { peer: { side: "client", staticKey, introduction: said, transcript }, keys };
  }

  wipe(): void {
    this.#options.psk.fill(0);
    this.#state?.wipe();
  }
}

function newState(options: PrivateHandshakeOptions, suite: SuiteName, initiator: boolean): HandshakeState {
  return new HandshakeState({
    protocolName: privateSuite(suite).protocolName,
    initiator,
    prologue: privatePrologue(suite, options.terms),
    s: options.staticKeys,
    psks: [options.psk],
    random: options.random,
  });
}

function introducing(
  { clock, version }: PrivateHandshakeOptions,
  proofs: readonly IdentityProof[],
): Uint8Array {
  return encodePayload({ time: Math.floor(clock.wall() / 1_000), version, proofs: [...proofs] });
}
