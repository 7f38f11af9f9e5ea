/** How a channel opens: the three messages of the handshake in their order, whichever side this is. */
import type { TransportKeys } from "../crypto/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { TunnelRole } from "./channel_role.ts";
import type { Challenge, Proof } from "./events.ts";
import { HandshakeRecords } from "./handshake_records.ts";
import type { ChannelState } from "./lifecycle.ts";
import { ReauthAnswerer, ReauthAsker } from "./reauth.ts";

/** What a message of the peer was. */
export type OpeningStep =
  | { readonly kind: "stage0"; readonly token: string; readonly agentVersion: string }
  | { readonly kind: "challenged"; readonly challenge: Challenge; readonly expiresInMs: number }
  | { readonly kind: "proved"; readonly proof: Proof; readonly keys: TransportKeys };

export class Opening {
  readonly #role: TunnelRole;
  readonly #out = new HandshakeRecords();
  #openingRead = false;

  constructor(role: TunnelRole) {
    this.#role = role;
  }

  get hasOutput(): boolean {
    return this.#out.hasOutput;
  }

  /** As {@link HandshakeRecords.fill}. */
  fill(buffer: Uint8Array, start: number): number {
    return this.#out.fill(buffer, start);
  }

  /** Message 1, of an initiator. */
  begin(): void {
    if (this.#role.side !== "initiator") return;
    const { handshake, stage0Token, version } = this.#role;
    this.#out.push(handshake.open({ token: stage0Token, agent_version: version }));
  }

  /** @throws PosternError `record_unexpected`, `handshake_*`, `noise_*`, and what the edge refuses with */
  receive(message: Uint8Array, state: ChannelState): OpeningStep {
    const { side, handshake } = this.#role;
    if (side === "responder" && state === "handshaking" && !this.#openingRead) {
      this.#openingRead = true;
      const { token, agent_version: agentVersion } = handshake.readOpening(message);
      return { kind: "stage0", token, agentVersion };
    }
    if (side === "initiator" && state === "handshaking") {
      const { expiresInMs, ...challenge } = handshake.readChallenge(message);
      return { kind: "challenged", challenge, expiresInMs };
    }
    if (side === "responder" && state === "authenticating") {
      return { kind: "proved", ...handshake.readProof(message) };
    }
    throw new PosternError("record_unexpected", `Cannot take handshake record while ${state}`);
  }

  /** Message 2, of a responder. */
  challenge(stepMs: number): void {
    if (this.#role.side !== "responder") return;
    const { handshake, edgeId, version } = this.#role;
    this.#out.push(handshake.challenge(edgeId, version, stepMs));
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

  /** Message 3, of an initiator. */
  prove(stage1Token: string): TransportKeys | undefined {
    if (this.#role.side !== "initiator") return undefined;
    const { handshake, replaces, carrier } = this.#role;
    const { message, keys } = handshake.prove(stage1Token, replaces, carrier);
    this.#out.push(message);
    return keys;
  }

  /** What asks, or answers, later on. @param root of the transport keys: owned from now on */
  reauth(root: Uint8Array): ReauthAsker | ReauthAnswerer {
    const { side, handshake } = this.#role;
    const basis = handshake.reauthBasis(root);
    return side === "responder" ? new ReauthAsker(basis) : new ReauthAnswerer(basis);
  }

  wipe(): void {
    this.#role.handshake.wipe();
  }
}
