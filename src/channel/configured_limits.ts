/** A channel's numbers as the settings of an edge or an agent have them. */
import type { AgentConfig, EdgeConfig } from "../config/mod.ts";
import type { HeartbeatLimits } from "./heartbeat.ts";
import { CHANNEL_LIMITS, type ChannelLimits } from "./limits.ts";

export interface ConfiguredChannel {
  readonly channel: EdgeConfig["channel"];
  readonly limits: Pick<AgentConfig["limits"], "maxStreamWindowBytes" | "maxChannelWindowBytes">;
  /** Streams that may be open at once. */
  readonly maxStreams: number;
  /** Absent at an agent: the edge tells what counts when the channel is ready. */
  readonly heartbeat?: HeartbeatLimits;
}

export function channelLimits({ channel, limits, maxStreams, heartbeat }: ConfiguredChannel): ChannelLimits {
  const { records, bytes, intervalMs: ms } = channel.rekey;
  return {
    stepMs: channel.handshakeStepMs,
    heartbeat: heartbeat ?? CHANNEL_LIMITS.heartbeat,
    rekey: { records, bytes, ms },
    mux: {
      ...CHANNEL_LIMITS.mux,
      maxStreams,
      maxStreamWindowBytes: limits.maxStreamWindowBytes,
      channelWindowBytes: limits.maxChannelWindowBytes,
    },
  };
}
