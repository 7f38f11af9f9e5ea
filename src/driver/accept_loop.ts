import type { Clock, Log } from "../ports/mod.ts";

/** Pause after a failed accept. */
const RETRY_MS = 50;

export interface AcceptOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the listener is still wanted: looked at after every connection and every failure. */
  readonly isOpen: () => boolean;
}

/** The part of `Deno.TcpListener` that is used. */
export interface Acceptor<C> {
  accept(): Promise<C>;
}

/**
 * Hands every connection on until the listener is not wanted any more. A failure to accept is logged, and tried again; one
 * connection that cannot be taken is logged. Never rejects.
 */
export async function acceptEach<C>(
  listener: Acceptor<C>,
  { clock, log, isOpen }: AcceptOptions,
  take: (connection: C) => void,
): Promise<void> {
  while (isOpen()) {
    let connection: C;
    try {
      connection = await listener.accept();
    } catch (error) {
      if (!isOpen()) return;
      // Out of file descriptors, or a connection that was gone before it was accepted: go on, a little later.
      log("warn", "accept failed", { error: String(error) });
      await new Promise<void>((resolve) => clock.schedule(clock.now() + RETRY_MS, resolve));
      continue;
    }
    try {
      take(connection);
    } catch (error) {
      // One peer that is gone already must not end the listening: on some systems even its socket's options fail.
      log("warn", "connection dropped", { error: String(error) });
    }
  }
}
