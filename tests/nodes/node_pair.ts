/** A host and a caller whose connection is memory, in virtual time. Their certificates are real, and were judged. */
import type { MutualTlsConnection } from "../../src/driver/tls/mod.ts";
import { HostedNode, type HostedNodeOptions } from "../../src/nodes/hosted_node.ts";
import { NodeLink, type NodeLinkOptions } from "../../src/nodes/node_link.ts";
import { checkPeerCertificate } from "../../src/pki/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import type { NodeIdentity } from "../../src/driver/tls/mod.ts";
import { MadeCluster } from "../support/made_cluster.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";
import { type MadeNodeOptions, makeIdentity } from "../support/node_identities.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

export const noLog = () => {};
export const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

export class NodePair {
  hostCode: string | undefined;
  callerCode: string | undefined;
  readonly echoes: string[] = [];
  readonly renewals: string[] = [];

  private constructor(
    readonly cluster: MadeCluster,
    readonly clock: VirtualClock,
    readonly host: HostedNode,
    readonly caller: NodeLink,
    readonly hostIdentity: NodeIdentity,
    readonly callerIdentity: NodeIdentity,
    /** The caller's socket: what is written here, the host reads. */
    readonly callerStream: ByteStream,
  ) {}

  static async make(
    options: {
      host?: Partial<HostedNodeOptions>;
      caller?: Partial<NodeLinkOptions>;
      life?: MadeNodeOptions;
      /** The test speaks for the caller. */
      silent?: boolean;
    } = {},
  ): Promise<NodePair> {
    const cluster = await MadeCluster.make();
    const clock = new VirtualClock(cluster.nowMs);
    const hostIdentity = await makeIdentity(cluster, "control", "k1", options.life);
    const callerIdentity = await makeIdentity(cluster, "connector", "c1", options.life);
    const [callerStream, hostStream] = memoryStreamPair();
    const judged = (
      stream: ByteStream,
      { credentials: { chain }, trust }: NodeIdentity,
      usage: "client" | "server",
    ): MutualTlsConnection => ({
      stream,
      chain,
      peer: checkPeerCertificate(chain, trust.bundle, trust.revocations, { nowMs: clock.wall(), usage }),
    });
    const host = new HostedNode({
      connection: judged(hostStream, callerIdentity, "client"),
      identity: hostIdentity,
      expected: { expectedRole: "connector" },
      clock,
      random,
      log: noLog,
      onEcho: (node) => pair.echoes.push(node.peer.id),
      onTunnelerEcho: (_node, { id }) => pair.echoes.push(id),
      onRenewal: (result) => pair.renewals.push(result),
      ...options.host,
    });
    const caller = new NodeLink({
      connection: judged(callerStream, hostIdentity, "server"),
      identity: callerIdentity,
      clock,
      random,
      log: noLog,
      facts: { version: "1.2.3", privateIp: "10.0.0.7" },
      ...options.caller,
    });
    const pair: NodePair = new NodePair(
      cluster,
      clock,
      host,
      caller,
      hostIdentity,
      callerIdentity,
      callerStream,
    );
    void host.serve().then((code) => pair.hostCode = code);
    if (options.silent !== true) void caller.run().then((code) => pair.callerCode = code);
    await pair.settle();
    return pair;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await settle();
  }

  /** In steps, so that what is said in between is heard. */
  async advance(ms: number, stepMs = 1_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - passed));
      await this.settle();
    }
  }
}
