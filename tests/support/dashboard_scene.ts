/** An edge with a dashboard and something to see on it: services by a TPM and by a key in a file, machines, an administrator. */
import { inviteAdmin } from "../../src/control/admin/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import type { AdminRole, Store } from "../../src/ports/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { AttestedStack } from "./attested_stack.ts";
import { LoopbackServer } from "./loopback_server.ts";
import type { Settings, Stack } from "./stack.ts";
import { Swtpm } from "./swtpm.ts";

/** Of every administrator of the scene. */
export const scenePassword = "correct horse battery";

export class DashboardScene implements AsyncDisposable {
  readonly attested: AttestedStack;
  readonly tpm: Swtpm;
  readonly origin: LoopbackServer;
  /** A connection of its own to what the edge remembers. */
  readonly store: Store;

  private constructor(attested: AttestedStack, tpm: Swtpm, origin: LoopbackServer) {
    this.attested = attested;
    this.tpm = tpm;
    this.origin = origin;
    this.store = openSqliteStore(attested.stack.folder.file("edge/postern.db"));
  }

  static async start(edge: Settings = {}): Promise<DashboardScene> {
    const tpm = await Swtpm.start();
    const origin = new LoopbackServer(() => new Response("hello\n"));
    const attested = await AttestedStack.start(tpm, { edge, labels: ["prod", "rack-2"] });
    return new DashboardScene(attested, tpm, origin);
  }

  get stack(): Stack {
    return this.attested.stack;
  }

  url(path = ""): string {
    return `http://localhost:${this.stack.port}/dashboard${path}`;
  }

  /** Publishes a service by an agent with a key in a file. */
  async publish(name: string): Promise<void> {
    await this.stack.addAgent([{ name, target: `127.0.0.1:${this.origin.port}` }], {
      token_file: this.stack.edge.tokenPath,
      token_renewal: "false",
    });
  }

  /** Publishes a service by the machine with the TPM. Returns its agent id. */
  async publishAttested(name: string): Promise<string> {
    const agentId = await this.attested.enroll(this.tpm);
    await this.attested.serve(this.tpm, [{ name, target: `127.0.0.1:${this.origin.port}` }]);
    return agentId;
  }

  /** The link that makes an account, as an edge shows it to who runs it. */
  async setupUrl(role: AdminRole = "owner"): Promise<string> {
    const deps = { store: this.store, clock: systemClock, random: systemRandom };
    const { secret } = await inviteAdmin(deps, "test", { role });
    return this.url(`/setup#${secret}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await this.attested[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
    await this.tpm[Symbol.asyncDispose]();
  }
}
