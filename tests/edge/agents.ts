import { AgentSession } from "../../src/edge/agent_session.ts";
import type { CarrierPlace, Channel, ChannelState } from "../../src/channel/mod.ts";
import type { ChannelPump } from "../../src/driver/mod.ts";
import type { PosternError } from "../../src/errors/mod.ts";
import type { Stage1Claims } from "../../src/identity/mod.ts";

/** A channel that writes down what is asked of it. */
export interface FakeChannel {
  state: ChannelState;
  closedWith: PosternError | undefined;
  drainedFor: number | undefined;
}

let sessions = 0;

/** A session that is online, over a channel that only remembers. */
export function session(
  options: {
    id?: string;
    tunnel?: string;
    agent?: string;
    tier?: Stage1Claims["tier"];
    hostnames?: string[];
    tlsHostnames?: string[];
    ports?: number[];
    udpPorts?: number[];
    weight?: number;
    carrier?: CarrierPlace;
    isLinked?: boolean;
  } = {},
): { session: AgentSession; channel: FakeChannel } {
  const channel: FakeChannel & Pick<Channel, "close" | "drain"> = {
    state: "established",
    closedWith: undefined,
    drainedFor: undefined,
    close(error) {
      channel.closedWith = error;
      channel.state = "closing";
    },
    drain(_reason, deadlineMs) {
      channel.drainedFor = deadlineMs;
      channel.state = "draining";
    },
  };
  const claims = {
    sub: options.tunnel ?? "tunnel",
    agent_id: options.agent ?? "agent",
    tier: options.tier ?? "bound-key",
    hostnames: options.hostnames ?? ["a.example.test"],
    tls_hostnames: options.tlsHostnames ?? [],
    tcp_ports: options.ports ?? [],
    udp_ports: options.udpPorts ?? [],
    weight: options.weight ?? 1,
  } as unknown as Stage1Claims;
  const made = new AgentSession({
    id: options.id ?? `session ${++sessions}`,
    claims,
    channel: channel as unknown as Channel,
    pump: {} as ChannelPump,
    since: 0,
    remoteAddress: "192.0.2.1:1",
    carrier: options.carrier,
    isLinked: options.isLinked,
  });
  made.lastEchoAt = 1;
  return { session: made, channel };
}
