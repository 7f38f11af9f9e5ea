/** How a private channel opens: the three messages of its handshake in their order, whichever side this is. */
import type { TransportKeys } from "../crypto/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { PrivateRole } from "./channel_role.ts";
import { HandshakeRecords } from "./handshake_records.ts";
import type { ChannelState } from "./lifecycle.ts";
import type { PrivatePeer } from "./private_handshake.ts";
import type { IdentityProof } from "./private_messages.ts";

/** What a message of the peer was. */
export type PrivateStep =
  | { readonly kind: "arrived"; readonly ownTranscript: Uint8Array }
  | { readonly kind: "answered"; readonly peer: PrivatePeer; readonly ownTranscript: Uint8Array }
  | { readonly kind: "joined"; readonly peer: PrivatePeer; readonly keys: TransportKeys };

export class PrivateOpening {
  readonly #role: PrivateRole;
  readonly #out = new HandshakeRecords();
  #openingRead = false;

  constructor(role: PrivateRole) {
    this.#role = role;
  }

  get hasOutput(): boolean {
    return this.#out.hasOutput;
  }

  /** As {@link HandshakeRecords.fill}. */
  fill(buffer: Uint8Array, start: number): number {
    return this.#out.fill(buffer, start);
  }

  /** Message 1, of an initiator. @throws PosternError `private_window_over` */
  begin(): void {
    if (this.#role.side === "initiator") this.#out.push(this.#role.handshake.open());
  }

  /** @throws PosternError `record_unexpected`, `handshake_*`, `private_window_over`, `noise_*`, and what the server refuses with */
  receive(message: Uint8Array, state: ChannelState): PrivateStep {
    const { side, handshake } = this.#role;
    if (side === "responder" && state === "handshaking" && !this.#openingRead) {
      this.#openingRead = true;
      return { kind: "arrived", ownTranscript: handshake.readOpening(message) };
    }
    if (side === "initiator" && state === "handshaking") {
      return { kind: "answered", ...handshake.readAnswer(message) };
    }
    if (side === "responder" && state === "authenticating") {
      return { kind: "joined", ...handshake.readJoining(message) };
    }
    throw new PosternError("record_unexpected", `Cannot take handshake record while ${state}`);
  }

  /** Message 2 of a responder; message 3 of an initiator, with the keys behind it. */
  introduce(proofs: readonly IdentityProof[]): TransportKeys | undefined {
    const { side, handshake } = this.#role;
    if (side === "responder") {
      this.#out.push(handshake.introduce(proofs));
      return undefined;
    }
    const { message, keys } = handshake.introduce(proofs);
    this.#out.push(message);
    return keys;
  }

  /** Message 2 in its refusing form. False when it is too early or too late for it. */
  refuse(error: PosternError, state: ChannelState): boolean {
    if (this.#role.side !== "responder" || state !== "handshaking" || !this.#openingRead) return false;
    try {
      this.#out.push(this.#role.handshake.refuse(error.code));
    } catch {
      // A handshake that has failed can carry no answer; the end of the carrier is one.
    }
    return true;
  }

  wipe(): void {
    this.#role.handshake.wipe();
  }
}
