/** Comes to a relay: an upgrade with the grant's token, then the relay's word that the other endpoint is there. */
import type { ChannelInitGrant } from "../../src/grants/mod.ts";
import {
  connectWebSocket,
  type WebSocketClientOptions,
  type WebSocketConnection,
} from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import { ATTACH_PATH, readPaired, toldReason } from "../../src/relay/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import type { Carrier } from "../session.ts";

/** The word and what may have come behind it: less than the first record of the other endpoint at most. */
const FIRST_BYTES = 16_384;

/** Everything but the token, which is the grant's. */
export type AttachOptions = Omit<WebSocketClientOptions, "bearer" | "path" | "signal">;

/**
 * The carrier of a private channel, once both endpoints are at the relay. Gives up at the end of the grant's window, and when
 * the signal aborts; no socket is left behind. A token that was shown is spent, whatever comes of it.
 * @throws PosternError as `connectWebSocket` does, `private_unpaired`, `relay_*`, and what the relay says that it ends for
 */
export async function attachToRelay(
  grant: Pick<ChannelInitGrant, "tunnel_url" | "token" | "channel_init_expire_at_unix_s">,
  options: AttachOptions,
  signal: AbortSignal,
): Promise<Carrier> {
  const { tunnel_url, token, channel_init_expire_at_unix_s } = grant;
  const connection = await connectWebSocket(tunnel_url, {
    ...options,
    bearer: token,
    path: ATTACH_PATH,
    signal,
  });
  const { stream } = connection;
  const close = () => stream.close();
  signal.addEventListener("abort", close, { once: true });
  const { clock } = options;
  const leftMs = Math.max(0, channel_init_expire_at_unix_s * 1_000 - clock.wall());
  const cancel = clock.schedule(clock.now() + leftMs, close);
  try {
    if (signal.aborted) throw gaveUp();
    return await whenPaired(connection, clock, signal, clock.now() + leftMs);
  } catch (error) {
    stream.close();
    throw error;
  } finally {
    cancel();
    signal.removeEventListener("abort", close);
  }
}

async function whenPaired(
  { stream, framing, leftover }: WebSocketConnection,
  clock: Clock,
  signal: AbortSignal,
  until: number,
): Promise<Carrier> {
  const buffer = new Uint8Array(FIRST_BYTES);
  buffer.set(leftover);
  let start = 0;
  let end = leftover.length;
  for (;;) {
    const result = framing.next(buffer, start, end);
    const reply = framing.takeReply();
    for (let at = 0; reply !== null && at < reply.length;) at += await stream.write(reply.subarray(at));
    if (result === "message") {
      const paired = readPaired(buffer.subarray(framing.messageStart, framing.messageEnd));
      if (paired.max_record_bytes < MAX_RECORD_BYTES) {
        throw new PosternError("relay_paired_invalid", "Cannot use the relay: it takes shorter records only");
      }
      return { stream, framing, leftover: buffer.slice(framing.nextStart, end) };
    }
    if (result === "closed") throw toldReason(framing.peerReason ?? "") ?? unpaired();
    if (result === "control") {
      start = framing.nextStart;
      continue;
    }
    buffer.copyWithin(0, start, end);
    end -= start;
    start = 0;
    if (end === buffer.length) {
      throw new PosternError("relay_paired_invalid", "Cannot use the relay: its first record is too long");
    }
    const read = await stream.read(buffer.subarray(end));
    if (read === null) throw signal.aborted ? gaveUp() : clock.now() >= until ? late() : unpaired();
    end += read;
  }
}

function gaveUp(): PosternError {
  return new PosternError("connect_aborted", "Cannot open private channel: the attempt was given up");
}

function late(): PosternError {
  return new PosternError(
    "private_unpaired",
    "Cannot open private channel: the other endpoint did not come in time",
  );
}

function unpaired(): PosternError {
  return new PosternError(
    "private_unpaired",
    "Cannot open private channel: the relay ended before the other endpoint came",
  );
}
