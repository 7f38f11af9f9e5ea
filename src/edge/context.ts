/** What every part of the edge's data path shares. */
import type { EdgeConfig } from "../config/mod.ts";
import type { Deadlines, Slabs } from "../driver/mod.ts";
import type { UnreadBudget } from "../mux/mod.ts";
import type { Clock, Log, Random, Revised } from "../ports/mod.ts";
import type { Metrics, Tracer } from "../telemetry/mod.ts";
import type { Guards } from "./guards.ts";
import type { OpenRequests } from "./open_requests.ts";
import type { ViewerGate } from "./viewer_gate.ts";
import type { Sessions } from "./sessions.ts";

export interface EdgeContext {
  readonly config: EdgeConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly newRequestId: () => string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly slabs: Slabs;
  readonly deadlines: Deadlines;
  readonly sessions: Sessions;
  /**
   * The route of the tunnel that publishes a hostname, online or not: the hostname itself, or `*.` and what is behind its
   * first label; with `tls:` before it where TLS is passed on.
   */
  readonly knownRoute: (hostname: string) => Promise<KnownRoute | undefined>;
  readonly guards: Guards;
  readonly viewers: Pick<ViewerGate, "admits">;
  /** Those of HTTP/2. */
  readonly openRequests: OpenRequests;
  /** Bytes of HTTP/2 requests that services have not taken: a window is promised before it is known who takes it. */
  readonly unreadRequests: UnreadBudget;
  /** Answers a request to the control plane. */
  readonly control: (request: Request, clientIp: string) => Promise<Response>;
}

/** The route of a tunnel, whether or not an agent serves it. */
export interface KnownRoute {
  readonly name: string;
  readonly tunnelId: string;
  readonly rules: Revised<string> | undefined;
}

/** One accepted connection of a viewer. */
export interface Viewer {
  /** Address without port; behind a trusted proxy the one that it reports. */
  readonly ip: string;
  /** `address:port` of the socket. */
  readonly address: string;
  readonly scheme: "http" | "https";
  /** Whether a trusted proxy speaks for it. */
  readonly proxied: boolean;
}
