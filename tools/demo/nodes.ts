/** The connector and the tunneler of the cluster demo: enrolled by one-time tokens, heard by echoes, one revoked on the way. */
import { EnrolledIdentity, identityFileIn, plainFiles } from "../../agent/identity/mod.ts";
import type { ControlClient } from "../../agent/mod.ts";
import { type RunningNode, startConnector, startTunneler } from "../../agent/node/mod.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import type { TempDir } from "../../tests/support/temp_dir.ts";

export interface DemoNodesOptions {
  readonly folder: TempDir;
  readonly log: Log;
  /** Control APIs, and the ports of both for nodes. */
  readonly control: string;
  readonly nodePorts: readonly number[];
  /** An operator. */
  readonly operator: ControlClient;
  readonly signal: () => AbortSignal;
}

export class DemoNodes implements AsyncDisposable {
  readonly #options: DemoNodesOptions;
  readonly #connector: RunningNode;
  readonly #tunneler: RunningNode;

  private constructor(options: DemoNodesOptions, connector: RunningNode, tunneler: RunningNode) {
    this.#options = options;
    this.#connector = connector;
    this.#tunneler = tunneler;
  }

  /** Both are enrolled when it resolves, and a rule lets the one come to the other. */
  static async start(options: DemoNodesOptions): Promise<DemoNodes> {
    const { operator, signal, log } = options;
    await operator.allowNodes({ connector: "c1", tunneler: "t*" }, signal());
    const connector = await startConnector(
      agentDefaults({ ...await settingsOf(options, "connector", "c1"), "node.listen": "127.0.0.1:0" }),
      { log },
    );
    try {
      const tunneler = await startTunneler(
        agentDefaults({
          ...await settingsOf(options, "tunneler", "t1"),
          "node.connector": `127.0.0.1:${connector.port}`,
        }),
        { log },
      );
      return new DemoNodes(options, connector, tunneler);
    } catch (error) {
      await connector.stop();
      throw error;
    }
  }

  get names(): string {
    return `${this.#connector.spiffeId} and ${this.#tunneler.spiffeId}`;
  }

  /** Whether echoes of control came back from both. */
  get areOnline(): boolean {
    return this.#connector.isOnline() && this.#tunneler.isOnline();
  }

  /** Takes the tunneler's present certificate back; its serial number. */
  async revokeTunneler(operator: ControlClient): Promise<string> {
    const { folder, signal, log } = this.#options;
    const held = await EnrolledIdentity.load({
      path: identityFileIn(folder.file("tunneler")),
      files: plainFiles,
      controls: [],
      clock: systemClock,
      random: systemRandom,
      log,
    });
    const { serial } = held!.certificate;
    await operator.revokeIdentity(
      { kind: "serial", value: serial, severity: "cut", reason: "demo" },
      signal(),
    );
    return serial;
  }

  /** Why the tunneler has no channel to its connector; `online` while it has. */
  async tunnelerState(): Promise<string> {
    const answer = await fetch(`http://${this.#tunneler.adminAddress}/status`, {
      signal: this.#options.signal(),
    });
    return (await answer.json()).connector;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tunneler.stop();
    await this.#connector.stop();
  }
}

/** Its one-time token goes through a file of this user, as an operator brings it. */
async function settingsOf(
  { folder, operator, signal, control, nodePorts }: DemoNodesOptions,
  role: string,
  id: string,
): Promise<Record<string, string>> {
  const { token } = await operator.issueEnrollmentToken({ role, id }, signal());
  const file = await folder.write(`${role}.token`, `${token}\n`);
  await Deno.chmod(file, 0o600);
  return {
    control,
    admin_listen: "127.0.0.1:0",
    state_directory: folder.file(role),
    "node.control": nodePorts.map((port) => `127.0.0.1:${port}`).join(),
    "node.private_ip": "127.0.0.1",
    "node.enrollment_token_file": file,
  };
}
