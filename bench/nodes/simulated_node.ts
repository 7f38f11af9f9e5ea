/**
 * A connector without tunnelers: its own keys, identity, mutual-TLS channel to control, heartbeats, echoes and renewals, by the
 * parts that the program is made of. A thousand of them fit into one process.
 */
import { ChannelControl } from "../../agent/node/channel_control.ts";
import { EnrolledIdentity, type IdentityControl } from "../../agent/identity/mod.ts";
import { plainFiles } from "../../agent/identity/secret_files.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { NodeCaller } from "../../src/nodes/mod.ts";
import type { Counts } from "./counts.ts";

export interface SimulatedNodeOptions {
  /** Where its identity is kept. */
  readonly path: string;
  readonly token: string;
  /** The control API. */
  readonly api: IdentityControl;
  /** The mutual-TLS port of control. */
  readonly address: { readonly host: string; readonly port: number };
  readonly counts: Counts;
}

export class SimulatedNode {
  readonly #identity: EnrolledIdentity;
  readonly #caller: NodeCaller;
  readonly #counts: Counts;
  /** The certificate that ended before there was another one. */
  #missedSerial: string | undefined;

  private constructor(
    identity: EnrolledIdentity,
    caller: NodeCaller,
    counts: Counts,
  ) {
    this.#identity = identity;
    this.#caller = caller;
    this.#counts = counts;
  }

  /** Enrolls, and begins to call control. Throws what control refuses with. */
  static async start(
    { path, token, api, address, counts }: SimulatedNodeOptions,
  ): Promise<SimulatedNode> {
    const channel = new ChannelControl(() => caller.link, () => identity.documents.revocations);
    const overChannel: IdentityControl = {
      enrollIdentity: () => channel.enrollIdentity(),
      renewalNonce: () => channel.renewalNonce(),
      trustBundles: () => channel.trustBundles(),
      nodeRevocations: () => channel.nodeRevocations(),
      async renewIdentity(request) {
        const startedMs = performance.now();
        try {
          const answer = await channel.renewIdentity(request);
          counts.renewed(performance.now() - startedMs);
          return answer;
        } catch (error) {
          counts.failed(codeOf(error));
          throw error;
        }
      },
    };
    const options = {
      path,
      files: plainFiles,
      controls: [overChannel, api],
      clock: systemClock,
      random: systemRandom,
      log() {},
    };
    const identity: EnrolledIdentity = await EnrolledIdentity.enroll(options, token);
    const caller: NodeCaller = new NodeCaller({
      addresses: [address],
      expected: { expectedRole: "control" },
      identity,
      clock: systemClock,
      random: systemRandom,
      log() {},
      facts: { version: "0.0.0-bench", privateIp: "10.0.0.1" },
      onLost: (code) => counts.lost(code),
    });
    caller.start();
    identity.start();
    return new SimulatedNode(identity, caller, counts);
  }

  get isOnline(): boolean {
    return this.#caller.isOnline;
  }

  get isConnected(): boolean {
    return this.#caller.link !== undefined;
  }

  /** Counts a certificate that is over, once. */
  look(): void {
    const { serial, notAfterMs } = this.#identity.certificate;
    if (Date.now() < notAfterMs || serial === this.#missedSerial) return;
    this.#missedSerial = serial;
    this.#counts.missed++;
  }

  async stop(): Promise<void> {
    this.#identity.stop();
    await this.#caller.stop();
  }
}
