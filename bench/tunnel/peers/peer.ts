/** What the bench needs to know of a tunnel. One file a peer; add it to `mod.ts`. */
import type { Target } from "../load/connection.ts";
import type { HttpTarget } from "../load/requests.ts";

/** What is to be published, all on 127.0.0.1. */
export interface Origin {
  /** Port of the lab protocol. */
  readonly labPort: number;
  /** Port of the HTTP origin: a body of 1 KiB. */
  readonly httpPort: number;
  /** The same over TLS with {@link certificate}; absent without nginx. */
  readonly httpsPort?: number;
  /** For {@link HOST} and localhost: for whatever ends TLS of viewers. Absent without openssl. */
  readonly certificate?: { readonly certPath: string; readonly keyPath: string; readonly caPath: string };
}

/** Host name of the HTTP service; every tunnel that routes by name is asked for it. */
export const HOST = "bench.localhost";

/** A tunnel that stands. What it does not carry is absent. */
export interface Tunnel extends AsyncDisposable {
  /** The lab protocol through the tunnel, byte for byte. */
  readonly lab?: Target;
  /** The HTTP origin as plain bytes. */
  readonly tcpHttp?: HttpTarget;
  /** The HTTP origin routed by host name; absent where the peer cannot: `tcpHttp` is then compared. */
  readonly http?: HttpTarget;
  /** The same with TLS between viewer and tunnel. */
  readonly https?: HttpTarget;
  /** Its processes by role; none where nothing stands between client and origin. */
  readonly processes: Processes;
}

export interface Processes {
  readonly edge?: readonly number[];
  readonly agent?: readonly number[];
}

/** A delay between the two ends of a tunnel. */
export interface Link {
  /** Port on `hostname` that reaches `port` on it over the link. `at`: the port to listen on, when it is not free to choose. */
  to(port: number, hostname?: string, at?: { hostname: string; port: number }): Promise<number>;
}

export interface StartOptions {
  readonly origin: Origin;
  /** Compiled program of Postern to run instead of the sources. */
  readonly binary?: string;
  /** Further flags of `deno run` for Postern from the sources: profilers. */
  readonly denoFlags: readonly string[];
  /** Folder for the tunnel's files; removed afterwards. */
  readonly folder: string;
  /** What lies between edge and agent; nothing when absent. */
  readonly link?: Link;
}

export interface Peer {
  /** As typed after `--peers`. */
  readonly name: string;
  /** Cells by prefix that it cannot do, and why. They are left out and said. */
  readonly cannot?: Readonly<Record<string, string>>;
  /** Most streams it carries at once, where that is fewer than the bench opens, and why. */
  readonly maxStreams?: { readonly count: number; readonly why: string };
  /** Files that one stream keeps open in the busier of its processes (1). */
  readonly filesPerStream?: number;
  /** Version and how bytes are protected, for the report; undefined when it is not installed. */
  describe(): Promise<string | undefined>;
  /** How to install it into `directory`; absent where it is part of the project. @throws Error with the reason */
  install?(directory: string): Promise<void>;
  /** @throws Error when it does not stand in time; nothing is left running then */
  start(options: StartOptions): Promise<Tunnel>;
}

/** Ports of what a peer publishes, in one piece. */
export function publishedBy(
  labPort: number,
  httpPort: number,
  processes: Processes,
  stack: AsyncDisposableStack,
  more: Pick<Tunnel, "http" | "https"> = {},
): Tunnel {
  const hostname = "127.0.0.1";
  return {
    lab: { hostname, port: labPort },
    tcpHttp: { hostname, port: httpPort, host: hostname },
    ...more,
    processes,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
