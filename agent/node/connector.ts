/** A connector: tunnelers come to it by mutual TLS, and it tells control about them and itself. */
import { instant } from "../../src/bytes/mod.ts";
import type { AgentConfig } from "../../src/config/mod.ts";
import { HostedNodes, type HostMessage, RefusalBook } from "../../src/nodes/mod.ts";
import { formatSpiffeId, type SignedDocument } from "../../src/pki/mod.ts";
import { matchesNodeId } from "../../src/policy/mod.ts";
import {
  callControl,
  demandAddresses,
  type NodeDeps,
  openNode,
  type RunningNode,
  serveNodeAdmin,
} from "./node_runner.ts";

/** Tunnelers of one connector: a heartbeat names them all. */
const MAX_TUNNELERS = 256;

/**
 * Starts a connector. Listens when it resolves.
 * @throws PosternError `config_address_missing`, `node_not_enrolled`, `node_credentials_unusable`, `listen_failed`,
 * `admin_listen_failed`, and what enrollment throws
 */
export async function startConnector(config: AgentConfig, deps: NodeDeps): Promise<RunningNode> {
  demandAddresses(config.node.control, "node.control");
  const parts = await openNode("connector", config, deps);
  const { identity, clock, random, log, metrics } = parts;
  /** Control's word on who may come: nobody before it was heard, and as it was heard last while control is away. */
  let allowed: readonly string[] = [];
  const refused = new RefusalBook();
  /** Channels whose first echo came back: control hears of them at once. */
  const heard = new WeakSet<object>();
  const nodes: HostedNodes = new HostedNodes({
    listen: config.node.listen,
    identity,
    expected: {
      expectedRole: "tunneler",
      policy: ({ id }) =>
        allowed.some((pattern) => matchesNodeId(pattern, id))
          ? undefined
          : "no rule lets it come to this connector",
    },
    clock,
    random,
    log,
    maxNodes: MAX_TUNNELERS,
    onRefused: (code, address, node) =>
      refused.add({ code, address, ...(node === undefined ? {} : { node }) }),
    onHandshake: (result) => metrics.nodeHandshakes.inc({ result }),
    onHeartbeat: () => metrics.nodeHeartbeats.inc({ role: "tunneler", result: "ok" }),
    onRenewal: (result) => metrics.nodeRenewals.inc({ result }),
    onEstablished: (node) => node.send(trustMessage(identity.documents)),
    onEcho: (node) => {
      if (heard.has(node)) return;
      heard.add(node);
      control.link?.tellSoon();
    },
    onRelayedEcho: (node, nonce) => control.link?.answerEcho(nonce, node.peer.id),
  });
  const control = callControl(parts, {
    onAccess: (tunnelers) => {
      allowed = tunnelers;
      nodes.judge();
    },
    refusals: () => refused.take(clock.now()),
    tunnelers: () =>
      nodes.all.filter(({ isOnline }) => isOnline).map(({ peer, facts }) => ({
        id: peer.id,
        version: facts?.version ?? "unknown",
        ...(facts?.privateIp === undefined ? {} : { private_ip: facts.privateIp }),
      })),
    onTunnelerEcho: (tunneler, nonce) => nodes.byId(tunneler)?.relayEcho(nonce),
  });
  const forget = identity.onTrust(() => nodes.broadcast(trustMessage(identity.documents)));
  const admin = serveNodeAdmin(parts, deps.adminMayMove ?? true, () => ({
    role: "connector",
    ready: control.isOnline,
    control: control.isOnline ? "online" : control.lastCode ?? "connecting",
    tunnelers: nodes.all.map(({ peer, isOnline }) => ({ id: peer.id, online: isOnline })),
    certificate_ends_at: instant(identity.endsAtMs),
  }));
  log("info", "connector started", { port: nodes.port, admin: admin?.address });
  const finished = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    forget();
    await control.stop();
    await nodes.close();
    parts.stop();
    await admin?.close();
    log("info", "connector stopped");
    finished.resolve();
  };
  return {
    spiffeId: formatSpiffeId(identity.id),
    port: nodes.port,
    adminAddress: admin?.address,
    isOnline: () => control.isOnline,
    stop: () => stopping ??= stop(),
    finished: finished.promise,
  };
}

function trustMessage({ bundle, revocations }: {
  readonly bundle: SignedDocument;
  readonly revocations: SignedDocument;
}): HostMessage {
  const copy = (document: SignedDocument) => ({
    payload: document.payload,
    signatures: document.signatures.map((one) => ({ ...one })),
  });
  return { type: "trust", trust_bundles: [copy(bundle)], revocations: copy(revocations) };
}
