/** What the settings of an edge mean for the control plane inside it. */
import { type EdgeConfig, issuerOf } from "./config/mod.ts";
import { type ControlConfig, controlDefaults } from "./control/mod.ts";
import { defaultRotation, reauthLifeMs, type RotationPolicy } from "./identity/mod.ts";

/** A retired key verifies for as long as a token that it signed may live, which is what the operator says. */
export function rotationOf({ tokens, reauth }: Pick<EdgeConfig, "tokens" | "reauth">): RotationPolicy {
  const { stage0Ms, stage1Ms, managementMs, recreateMaxMs } = tokens;
  const longestMs = Math.max(stage0Ms, stage1Ms, managementMs, recreateMaxMs, reauthLifeMs(reauth));
  return { ...defaultRotation, retainMs: longestMs + tokens.clockSkewMs };
}

export function controlConfigOf(config: EdgeConfig): ControlConfig {
  const { tokens, limits } = config;
  return {
    ...controlDefaults,
    issuer: issuerOf(config),
    publicDomain: config.publicHost,
    anonymousTunnels: config.anonymousTunnels,
    tcpPorts: config.tcpPorts,
    udpPorts: config.udpPorts,
    tokens,
    attestation: config.attestation,
    identity: config.identity,
    grants: config.privateChannels,
    reauth: { ...config.reauth, authorizerStatusUri: config.reauth.authorizerStatusUri ?? undefined },
    limits: {
      maxBodyBytes: limits.maxControlBodyBytes,
      maxTunnelsPerOwner: limits.maxTunnelsPerOwner,
      maxAnonymousTunnels: limits.maxAnonymousTunnels,
      maxTunnelsPerAddress: limits.maxTunnelsPerAddress,
      maxAgentsPerTunnel: limits.maxAgentsPerTunnel,
      maxMachines: limits.maxMachines,
      maxNodes: limits.maxNodes,
    },
  };
}
