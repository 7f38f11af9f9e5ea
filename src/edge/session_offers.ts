/** Grants of private channels that one agent was handed, until it has answered. */
import type { Channel, OfferAnswer } from "../channel/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** How long an agent may take to say whether it comes. */
export const OFFER_TIMEOUT_MS = 5_000;

interface Waiting {
  resolve(staticKey: string): void;
  reject(error: PosternError): void;
  cancel(): void;
}

export class SessionOffers {
  readonly #channel: Pick<Channel, "offer">;
  readonly #clock: Pick<Clock, "now" | "schedule">;
  readonly #waiting = new Map<number, Waiting>();

  constructor(channel: Pick<Channel, "offer">, clock: Pick<Clock, "now" | "schedule">) {
    this.#channel = channel;
    this.#clock = clock;
  }

  /**
   * Hands the grant over; resolves with the static key of the agent's endpoint.
   * @throws PosternError `private_offer_refused` with the agent's code, `private_offer_timeout`, `private_offer_limit`,
   * `private_service_offline` when the channel ends
   */
  async offer(grant: ChannelInitGrant): Promise<string> {
    const now = this.#clock.now();
    let offer: number;
    try {
      offer = this.#channel.offer(grant, now);
    } catch (error) {
      if (!(error instanceof PosternError) || error.code === "private_offer_limit") throw error;
      throw offline(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const cancel = this.#clock.schedule(now + OFFER_TIMEOUT_MS, () => {
      this.#waiting.delete(offer);
      reject(new PosternError("private_offer_timeout", "Cannot open channel: the agent does not answer"));
    });
    this.#waiting.set(offer, { resolve, reject, cancel });
    return await promise;
  }

  /** An answer that comes too late is nobody's. */
  answered(offer: number, answer: OfferAnswer): void {
    const waiting = this.#take(offer);
    if ("staticKey" in answer) return waiting?.resolve(answer.staticKey);
    waiting?.reject(
      new PosternError("private_offer_refused", `Cannot open channel: the agent refuses (${answer.error})`, {
        detail: { agent_code: answer.error },
      }),
    );
  }

  /** The channel is over. */
  ended(): void {
    for (const offer of [...this.#waiting.keys()]) this.#take(offer)!.reject(offline());
  }

  #take(offer: number): Waiting | undefined {
    const waiting = this.#waiting.get(offer);
    this.#waiting.delete(offer);
    waiting?.cancel();
    return waiting;
  }
}

/** Nobody is there to be asked. */
export function offline(cause?: unknown): PosternError {
  return new PosternError("private_service_offline", "Cannot open channel: no agent serves it now", {
    cause,
  });
}
