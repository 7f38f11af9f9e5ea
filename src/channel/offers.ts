/** CONTROL messages by which an edge hands a private channel's grant to the agent of its service, and the agent answers. */
import { z } from "zod";
import { PosternError } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import { base64Url32 } from "../identity/mod.ts";
import { decodePayload, encodePayload, MAX_PAYLOAD_BYTES } from "./handshake_payload.ts";

/** Offers of one channel that may wait for their answers. */
export const MAX_OPEN_OFFERS = 32;

/** From 1, in order. */
const number = z.int().min(1).max(0xffff_ffff);

/** Edge to agent. The grant is secret; whoever takes it checks its fields. */
const offerMessage = z.strictObject({
  type: z.literal("private_channel_offer"),
  offer: number,
  grant: z.record(z.string(), z.unknown()),
});

/** Agent to edge: the key by which the agent's endpoint will prove itself, or why it does not come. */
const answerMessage = z.union([
  z.strictObject({ type: z.literal("private_channel_answer"), offer: number, static_key: base64Url32 }),
  z.strictObject({
    type: z.literal("private_channel_answer"),
    offer: number,
    error: z.string().min(1).max(64).regex(/^[a-z0-9_]+$/),
  }),
]);
export type OfferMessage = z.infer<typeof offerMessage> | z.infer<typeof answerMessage>;

/** What an agent answers: its endpoint's static public key, base64url of 32 bytes, or an error code. Peer text. */
export type OfferAnswer = { readonly staticKey: string } | { readonly error: string };

/** A grant that the edge hands over. */
export interface Offer {
  readonly offer: number;
  /** Not checked yet; secret. */
  readonly grant: Readonly<Record<string, unknown>>;
}

/** Whether a CONTROL message is one of these; whatever else is wrong with it shows when it is read. */
export function isOfferMessage(payload: Uint8Array): boolean {
  const { type } = decodePayload(z.looseObject({ type: z.unknown() }), payload, "frame_bad_control");
  return type === "private_channel_offer" || type === "private_channel_answer";
}

/** The edge's side: which offers wait. */
export class OfferAsker {
  readonly #open = new Set<number>();
  #next = 1;

  /** @throws PosternError `private_offer_limit`, `grant_malformed` for a grant that no message holds */
  ask(grant: ChannelInitGrant): { readonly offer: number; readonly payload: Uint8Array } {
    if (this.#open.size >= MAX_OPEN_OFFERS) {
      throw new PosternError(
        "private_offer_limit",
        `Cannot offer channel: ${MAX_OPEN_OFFERS} wait for the agent's answer`,
      );
    }
    const payload = encodePayload({ type: "private_channel_offer", offer: this.#next, grant });
    if (payload.length > MAX_PAYLOAD_BYTES) {
      throw new PosternError("grant_malformed", "Cannot offer channel: its grant is too long");
    }
    this.#open.add(this.#next);
    return { offer: this.#next++, payload };
  }

  /** @throws PosternError `frame_bad_control`, also for an answer to nothing */
  read(payload: Uint8Array): { readonly offer: number; readonly answer: OfferAnswer } {
    const message = decodePayload(answerMessage, payload, "frame_bad_control");
    const { offer } = message;
    if (!this.#open.delete(offer)) {
      throw new PosternError("frame_bad_control", "Cannot take answer: no offer waits for it");
    }
    return {
      offer,
      answer: "error" in message ? { error: message.error } : { staticKey: message.static_key },
    };
  }
}

/** The agent's side. */
export class OfferAnswerer {
  readonly #open = new Set<number>();
  #last = 0;

  /** @throws PosternError `frame_bad_control`, also for an offer that is out of turn or one too many */
  read(payload: Uint8Array): Offer {
    const { offer, grant } = decodePayload(offerMessage, payload, "frame_bad_control");
    if (offer !== this.#last + 1 || this.#open.size >= MAX_OPEN_OFFERS) {
      throw new PosternError("frame_bad_control", "Cannot take offer: it is out of turn, or one too many");
    }
    this.#open.add(this.#last = offer);
    return { offer, grant };
  }

  /** Undefined when it was answered before. */
  answer(offer: number, answer: OfferAnswer): Uint8Array | undefined {
    if (!this.#open.delete(offer)) return undefined;
    const type = "private_channel_answer";
    return encodePayload(
      "error" in answer
        ? { type, offer, error: answer.error }
        : { type, offer, static_key: answer.staticKey },
    );
  }
}
