/** A tunneler: comes to a connector by mutual TLS, and is online when control's echo came through it. */
import { instant } from "../../src/bytes/mod.ts";
import type { AgentConfig } from "../../src/config/mod.ts";
import { NodeCaller } from "../../src/nodes/mod.ts";
import { formatSpiffeId } from "../../src/pki/mod.ts";
import {
  callControl,
  demandAddresses,
  type NodeDeps,
  openNode,
  type RunningNode,
  serveNodeAdmin,
} from "./node_runner.ts";

/**
 * Starts a tunneler. It goes on trying when it resolves.
 * @throws PosternError `config_address_missing`, `node_not_enrolled`, `node_credentials_unusable`, `admin_listen_failed`, and what
 * enrollment throws
 */
export async function startTunneler(config: AgentConfig, deps: NodeDeps): Promise<RunningNode> {
  demandAddresses(config.node.connector, "node.connector");
  demandAddresses(config.node.control, "node.control");
  const parts = await openNode("tunneler", config, deps);
  const { identity, facts, clock, random, log, metrics } = parts;
  const { connectorId } = config.node;
  const connector = new NodeCaller({
    addresses: config.node.connector,
    expected: {
      expectedRole: "connector",
      ...(connectorId === null ? {} : { expectedId: connectorId }),
    },
    identity,
    clock,
    random,
    log,
    facts,
    onHandshake: (result) => metrics.nodeHandshakes.inc({ result }),
    onHeartbeat: (result) => metrics.nodeHeartbeats.inc({ role: "tunneler", result }),
  });
  // For its certificate and for trust: it is heard through the connector.
  const control = callControl(parts, {});
  connector.start();
  const admin = serveNodeAdmin(parts, deps.adminMayMove ?? true, () => ({
    role: "tunneler",
    ready: connector.isOnline,
    connector: connector.isOnline ? "online" : connector.lastCode ?? "connecting",
    control: control.isOnline ? "online" : control.lastCode ?? "connecting",
    certificate_ends_at: instant(identity.endsAtMs),
  }));
  log("info", "tunneler started", { admin: admin?.address });
  const finished = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await Promise.all([connector.stop(), control.stop()]);
    parts.stop();
    await admin?.close();
    log("info", "tunneler stopped");
    finished.resolve();
  };
  return {
    spiffeId: formatSpiffeId(identity.id),
    port: undefined,
    adminAddress: admin?.address,
    isOnline: () => connector.isOnline,
    stop: () => stopping ??= stop(),
    finished: finished.promise,
  };
}
