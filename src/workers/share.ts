/** A worker's part of what the edge allows: the system spreads viewers evenly enough that each may admit its share. */
import type { EdgeConfig } from "../config/mod.ts";

/** @param port the one that all workers listen on */
export function shareOf(config: EdgeConfig, port: number): EdgeConfig {
  const { workers, limits } = config;
  const part = (number: number) => Math.ceil(number / workers);
  const { connectionRatePerAddress: rate, connectionBurstPerAddress: burst } = limits;
  return {
    ...config,
    listen: { ...config.listen, port },
    takeOver: true, // the others are beside it; the main thread has looked whether anybody else is
    limits: {
      ...limits,
      maxViewerConnections: part(limits.maxViewerConnections),
      maxConnectionsPerAddress: part(limits.maxConnectionsPerAddress),
      connectionRatePerAddress: rate === null ? null : { ...rate, everyMs: rate.everyMs * workers },
      connectionBurstPerAddress: rate === null ? null : part(burst ?? rate.count),
      maxUnauthenticatedChannels: part(limits.maxUnauthenticatedChannels),
      maxUnreadBytes: part(limits.maxUnreadBytes),
      maxHttp2RequestsPerAddress: part(limits.maxHttp2RequestsPerAddress),
    },
  };
}
