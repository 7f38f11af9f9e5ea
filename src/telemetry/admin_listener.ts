/** Where a node tells its operators about itself. It has no authentication: it listens where only operators reach. */
import { type Address, formatAddress } from "../config/mod.ts";
import type { Log } from "../ports/mod.ts";

export interface AdminListener {
  /** `host:port` that is really listened on. */
  readonly address: string;
  readonly port: number;
  /** Ends it at once, answers under way included: whoever reads slowly must not hold a stopping node. Idempotent. */
  close(): Promise<void>;
}

/** Listens, or says in the log why not: a node works without, and two on one machine must not keep each other from it. */
export function serveAdmin(options: {
  readonly listen: Address;
  readonly answer: (request: Request) => Response | Promise<Response>;
  readonly log: Log;
}): AdminListener | undefined {
  const { listen, answer, log } = options;
  const stop = new AbortController();
  try {
    const server = Deno.serve({
      hostname: listen.host,
      port: listen.port,
      signal: stop.signal,
      onListen() {},
      onError(error) {
        log("error", "admin request failed", { cause: String(error) });
        return new Response("Internal error\n", { status: 500 });
      },
    }, (request) => answer(request));
    const { hostname, port } = server.addr;
    return {
      address: formatAddress({ host: hostname, port }),
      port,
      close() {
        stop.abort();
        return server.finished;
      },
    };
  } catch (error) {
    log("warn", "admin listener is off", { address: formatAddress(listen), cause: String(error) });
    return undefined;
  }
}
