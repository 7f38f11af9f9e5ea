/** The channel of a session of another worker, as this one uses it: streams only, by way of the link. */
import type { SessionChannel, SessionPump } from "../edge/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { StreamOpening } from "../wire/mod.ts";
import type { WorkerLink } from "./link.ts";

/** What came over a link lies in memory of its own: nothing is to be retained. */
export const NO_PUMP: SessionPump = Object.freeze({ retain: () => undefined, bytesIn: 0, bytesOut: 0 });

export class LinkedChannel implements SessionChannel {
  readonly #sessionId: string;
  readonly #link: () => WorkerLink | undefined;
  /** Its own worker tells when it is over: then the session is forgotten. */
  state: SessionChannel["state"] = "established";
  readonly openStreams = 0;
  readonly rttMs = 0;

  constructor(sessionId: string, link: () => WorkerLink | undefined) {
    this.#sessionId = sessionId;
    this.#link = link;
  }

  /** @throws PosternError `channel_closed`, `unread_limit` */
  open(opening: StreamOpening, handler: StreamHandler): MuxStream {
    const link = this.state === "established" ? this.#link() : undefined;
    if (link === undefined) throw new PosternError("channel_closed");
    return link.open(this.#sessionId, opening, handler);
  }

  /** No new streams; whoever has the channel ends it. */
  drain(): void {
    this.state = "closed";
  }

  close(): void {
    this.state = "closed";
  }
}
