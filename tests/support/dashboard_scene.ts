/** An edge with a dashboard and something to see on it: services by a TPM and by a key in a file, machines, an administrator. */
import { enroll, openTpm } from "../../agent/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { inviteAdmin } from "../../src/control/admin/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import type { AdminRole, Store } from "../../src/ports/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { enrollMachine, rememberShown } from "../control/machines.ts";
import { AttestedStack } from "./attested_stack.ts";
import { LoopbackServer } from "./loopback_server.ts";
import type { Settings, Stack } from "./stack.ts";
import { Swtpm } from "./swtpm.ts";

/** Longest time for an enrollment. */
const enrollMs = 30_000;

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

  /** Lets the machine with the TPM in by this token. Returns its agent id. */
  async enrollWith(token: string): Promise<string> {
    const client = await openTpm(parseTpmAddress(this.tpm.address)!, {
      clock: systemClock,
      random: systemRandom,
    });
    return (await enroll(client, this.attested.operator, token, AbortSignal.timeout(enrollMs))).agentId;
  }

  /** Publishes a service by the machine with the TPM. Returns its agent id. */
  async publishAttested(name: string): Promise<string> {
    const agentId = await this.attested.enroll(this.tpm);
    await this.serveAttested(name);
    return agentId;
  }

  /** Publishes a service by the machine with the TPM, which is enrolled. */
  async serveAttested(name: string): Promise<void> {
    await this.attested.serve(this.tpm, [{ name, target: `127.0.0.1:${this.origin.port}` }]);
  }

  /** Nodes, a policy of two versions, machines that passed and failed, refusals: as after some days. */
  async fill(): Promise<void> {
    const { store } = this;
    const nowMs = systemClock.wall();
    for (const [n, ago] of [[1, 0], [2, 4_000], [3, 900_000]] as const) {
      const seen = { version: n === 3 ? "0.0.9" : "0.1.0", lastSeenMs: nowMs - ago };
      await store.seeNode({ role: "connector", id: `dc-${n}`, privateIp: `10.0.0.${n}`, ...seen });
      await store.seeNode({ role: "tunneler", id: `desk-${n}`, connectorId: `dc-${n}`, ...seen });
    }
    const digests = ["ab", "cd", "ef"].map((byte) => byte.repeat(32));
    for (const version of [1, 2]) {
      const pcrs = { "0": "any", "7": digests.slice(version - 1, version + 1) };
      const policy = {
        name: "racks",
        version,
        description: "Racks in production",
        bank: "sha256",
        labels: ["prod"],
        pcrs,
      };
      const { revision } = await store.policies();
      await store.applyPolicy(
        {
          name: policy.name,
          version,
          body: JSON.stringify(policy),
          appliedBy: "admin:ann",
          appliedAtMs: nowMs - 86_400_000 * (3 - version),
          overlapUntilMs: version === 1 ? 0 : nowMs + 3_600_000,
        },
        revision,
        10,
      );
    }
    for (const [n, digest] of digests.entries()) {
      const at = nowMs - 3_600_000 * (n + 1);
      const agentId = await enrollMachine(store, n + 1, ["prod", `rack-${n + 1}`], {
        enrolledAtMs: at - 86_400_000,
      });
      const verdict = n === 0 ? { at, result: "pcr_mismatch", policy: "racks@2" } : { at, policy: "racks@2" };
      await rememberShown(store, agentId, { "0": "11".repeat(32), "7": digest }, verdict);
    }
    const stolen = await enrollMachine(store, 9, ["test"], { enrolledAtMs: nowMs - 86_400_000 * 9 });
    await store.revokeMachine({ agentId: stolen }, { atMs: nowMs - 7_200_000, reason: "Lost on the way" });
    for (const subject of ["agent-7", "agent-8"]) {
      const line = {
        atMs: nowMs - 60_000,
        actor: subject,
        action: "agent.attest",
        detail: { purpose: "channel-reauth" },
      };
      await store.appendAudit({ ...line, subject, outcome: "pcr_mismatch" });
    }
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
