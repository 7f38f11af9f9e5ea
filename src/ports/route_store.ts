/** What is remembered of routes that no tunnel has. */

/** Routes that tokens of another issuer name, for the subject that they are for. */
export interface RouteClaim {
  readonly subject: string;
  /** As `TunnelRecord.name`. */
  readonly names: readonly string[];
  /** Other names that nobody but the subject may hold. */
  readonly pairedNames: readonly string[];
  readonly tcpPorts: readonly number[];
  readonly udpPorts: readonly number[];
  readonly nowMs: number;
  /** Routes that were last claimed before then are nobody's any more. */
  readonly forgetBeforeMs: number;
}

export interface RouteStore {
  /**
   * Binds all routes to the subject, or none, and then returns one that is a tunnel's or another subject's: a name, or
   * `tcp` or `udp` and a port. From then on no tunnel gets one of them. Throws `token_routes_full` rather than forget.
   */
  claimRoutes(claim: RouteClaim): Promise<string | undefined>;
}
