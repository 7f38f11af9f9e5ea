/** What the settings make of an endpoint of private channels. */
import type { EvidenceProvider } from "../../src/attestation/mod.ts";
import { channelLimits, checkPin, type SuiteName } from "../../src/channel/mod.ts";
import type { AgentConfig } from "../../src/config/mod.ts";
import { type Network, type ProxyChooser, type WireBuffers } from "../../src/driver/mod.ts";
import type { Clock, Log, Random } from "../../src/ports/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import { EnrolledIdentity, identityFileIn, secretFilesOf } from "../identity/mod.ts";
import { attachToRelay } from "./attach.ts";
import { endpointIdentity } from "./endpoint_identity.ts";
import { endpointKey, endpointKeyIn } from "./endpoint_key.ts";
import type { PrivateParts } from "./private_session.ts";

export interface PartsOptions {
  readonly config: AgentConfig;
  /** State directory, which exists. */
  readonly directory: string;
  /** The agent's own identity. */
  readonly provider: EvidenceProvider | undefined;
  readonly buffers: WireBuffers;
  readonly caCerts: readonly string[] | undefined;
  readonly proxyFor: ProxyChooser | undefined;
  readonly network?: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly version: string;
}

/**
 * The key of this endpoint is made when there is none. A certificate counts where this machine was enrolled as a node with the
 * same state directory; it is read for each handshake, since the node's own program renews it.
 * @throws PosternError `private_pin_malformed`, `private_key_malformed`, and the codes of private files
 */
export async function openPrivateParts(options: PartsOptions): Promise<PrivateParts> {
  const { config, directory, provider, buffers, caCerts, proxyFor, network, clock, random, log, version } =
    options;
  const files = secretFilesOf(config, { clock, random, log });
  const node = { path: identityFileIn(directory), files, controls: [], clock, random, log };
  return {
    connect: (grant, signal) =>
      attachToRelay(grant, {
        clock,
        random,
        caCerts,
        proxyFor,
        network,
        maxMessageBytes: MAX_RECORD_BYTES,
        mask: (_memory, start, end, key) => buffers.core.mask(start, end - start, key),
      }, signal),
    staticKeys: await endpointKey(endpointKeyIn(directory), random),
    identity: async () => endpointIdentity({ provider, node: await EnrolledIdentity.load(node), clock }),
    pins: config.private.pin.map(checkPin),
    suites: suitesOf(config),
    limits: {
      ...channelLimits({ ...config, maxStreams: config.limits.maxStreams }),
      padding: config.private.padding === "buckets",
    },
    buffers,
    clock,
    random,
    version,
  };
}

function suitesOf({ channel }: AgentConfig): readonly SuiteName[] {
  switch (channel.hybrid) {
    case "required":
      return ["hybrid"];
    case "preferred":
      return ["hybrid", "classic"];
    case "off":
      return ["classic"];
    default:
      return channel.hybrid satisfies never;
  }
}
