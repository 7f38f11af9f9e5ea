/** Where a node tells its operators about itself. It has no authentication: it listens where only operators reach. */
import { type Address, formatAddress } from "../config/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Log } from "../ports/mod.ts";

export interface AdminListener {
  /** `host:port` that is really listened on. */
  readonly address: string;
  readonly port: number;
  /** Ends it at once, answers under way included: whoever reads slowly must not hold a stopping node. Idempotent. */
  close(): Promise<void>;
}

interface AdminOptions {
  readonly listen: Address;
  /** Whether the node works on without this very address: nobody asked for it. */
  readonly mayMove: boolean;
  readonly answer: (request: Request) => Response | Promise<Response>;
  readonly log: Log;
}

/**
 * Listens. An address that may move gives way to a free port when it is taken, for two nodes on one machine must not keep
 * each other from it; where that fails too the log says why, and the node works without.
 * @throws PosternError `admin_listen_failed`, for an address that may not move
 */
export function serveAdmin(options: AdminOptions): AdminListener | undefined {
  const { listen, mayMove, log } = options;
  const wanted = formatAddress(listen);
  try {
    return listenAt(listen, options);
  } catch (error) {
    if (!mayMove) {
      const state = error instanceof Deno.errors.AddrInUse ? "it is in use" : "the system refuses";
      throw new PosternError("admin_listen_failed", `Cannot listen on ${wanted} (admin_listen): ${state}`, {
        cause: error,
        detail: { address: wanted },
      });
    }
    if (!(error instanceof Deno.errors.AddrInUse)) return off(options, error);
  }
  try {
    const listener = listenAt({ ...listen, port: 0 }, options);
    log("warn", "admin address is in use, another port is taken", { wanted, address: listener.address });
    return listener;
  } catch (error) {
    return off(options, error);
  }
}

function off({ listen, log }: AdminOptions, error: unknown): undefined {
  log("warn", "admin listener is off", { address: formatAddress(listen), cause: String(error) });
}

function listenAt(listen: Address, { answer, log }: AdminOptions): AdminListener {
  const stop = new AbortController();
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
}
