/**
 * `deno task demo --attested [--check]`: a machine with a software TPM, from enrollment to the cut. Each step prints what was
 * judged and how.
 */
import { ControlClient, enroll, openTpm, type RunningAgent, startAgent } from "../../agent/mod.ts";
import { agentDefaults, edgeDefaults, parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { type RunningEdge, startEdge } from "../../src/main.ts";
import { Swtpm } from "../../tests/support/swtpm.ts";
import { print } from "../print.ts";
import { EventWatch, type LoggedEvent } from "./event_watch.ts";
import { ask, freeOr } from "./loopback.ts";
import { startOrigin } from "./origin.ts";
import { type DemoOptions, expect, pass, playDemo, step } from "./play.ts";

const NAME = "hello";
/** What the demo's machine is labelled with, and what its policy asks for. */
const LABEL = "demo";
/** Secure Boot: what the demo changes. */
const PCR = 7;
/** Programs that the demo starts. */
const PROGRAMS: readonly string[] = ["swtpm", "swtpm_setup", "tpm2"];
/** How often the machine proves itself, and how long it may take for that. */
const REAUTH = { check: { interval: "3s", grace: "2s" }, serve: { interval: "10s", grace: "5s" } } as const;

/** Exit code. */
export function attestedDemo(options: DemoOptions): Promise<number> {
  return playDemo("attested", PROGRAMS, async (stack) => {
    const tpm = stack.use(await Swtpm.start({ name: "demo" }));
    const demo = stack.use(await AttestedDemo.start(tpm, options));
    await demo.untilOnline();
    if (!options.checking) {
      await demo.learn();
      await demo.serve(options.interrupted);
      return false;
    }
    await demo.reattested("re-attestation");
    await demo.learn();
    await demo.reattested("re-attestation under the policy");
    await demo.untilCut();
    return true;
  });
}

class AttestedDemo implements AsyncDisposable {
  readonly #tpm: Swtpm;
  readonly #directory: string;
  readonly #watch: EventWatch;
  readonly #origin: Deno.HttpServer<Deno.NetAddr>;
  readonly #edge: RunningEdge;
  readonly #operator: ControlClient;
  #agent: RunningAgent | undefined;

  private constructor(
    tpm: Swtpm,
    directory: string,
    watch: EventWatch,
    origin: Deno.HttpServer<Deno.NetAddr>,
    edge: RunningEdge,
  ) {
    this.#tpm = tpm;
    this.#directory = directory;
    this.#watch = watch;
    this.#origin = origin;
    this.#edge = edge;
    this.#operator = new ControlClient({
      url: `http://127.0.0.1:${edge.port}`,
      clock: systemClock,
      userAgent: "postern-demo",
      token: async () => (await Deno.readTextFile(edge.tokenPath)).trim(),
    });
  }

  static async start(tpm: Swtpm, { checking, log }: DemoOptions): Promise<AttestedDemo> {
    const directory = await Deno.makeTempDir({ prefix: "postern-demo-" });
    const watch = new EventWatch(log);
    const { interval, grace } = REAUTH[checking ? "check" : "serve"];
    const edge = await startEdge(
      edgeDefaults({
        listen: `127.0.0.1:${checking ? 0 : freeOr(8080)}`,
        admin_listen: checking ? "off" : `127.0.0.1:${freeOr(9090)}`,
        state_directory: `${directory}/edge`,
        drain_timeout: "2s",
        // How long viewers wait for an agent that is away.
        grace: "1s",
        "attestation.roots_directory": tpm.rootsDirectory,
        "attestation.tiers": "tpm",
        "reauth.interval": interval,
        "reauth.grace": grace,
      }),
      { log: watch.log },
    );
    return new AttestedDemo(tpm, directory, watch, startOrigin(), edge);
  }

  /** Enrollment, channel, request. */
  async untilOnline(): Promise<void> {
    pass("software TPM", `made by the demo's own manufacturer, trusted in ${this.#tpm.rootsDirectory}`);
    const agentId = await this.#enroll();
    const opened = this.#watch.next("attested channel", ({ event }) => event === "channel established");
    this.#agent = await this.#startAgent();
    await Promise.race([this.#agent.ready, this.#agent.finished]);
    const { fields } = await opened;
    expect(fields.tier === "tpm" && fields.agent_id === agentId, `${fields.agent_id} of tier ${fields.tier}`);
    pass("attested channel", `${fields.agent_id}, tier ${fields.tier}`);
    const status = await this.#ask();
    expect(status === 200, `status ${status}`);
    pass("request through it", `${status}`);
  }

  async reattested(name: string): Promise<void> {
    const { fields } = await this.#watch.next("re-attestation", isReattested);
    pass(name, `accepted under ${fields.policy_version}`);
  }

  /** What `postern policy learn` and `postern policy apply` do. */
  async learn(): Promise<void> {
    const { policy } = await this.#post("/v1/policies/learn", { name: LABEL, label: LABEL }) as {
      policy: Record<string, unknown>;
    };
    const applied = await this.#post("/v1/policies", { policy }) as {
      policy_version: string;
      counts: { pass: number };
    };
    const { policy_version: version, counts } = applied;
    expect(counts.pass === 1, `${counts.pass} machines that pass`);
    pass("policy", `${version} allows what the machine has shown; counts for label ${LABEL}`);
  }

  /** A PCR changes: the next quote is genuine, and refused. */
  async untilCut(): Promise<void> {
    const refused = this.#watch.next("refusal", isRefused);
    const cut = this.#watch.next("cut", isCut);
    await this.#tpm.extend(PCR);
    pass(`PCR ${PCR} extended`, await this.#tpm.pcr(PCR));
    const { fields } = await refused;
    expect(fields.code === "pcr_value_refused", `code ${fields.code}`);
    pass("quote refused", `${fields.code}: PCR ${fields.pcrs} is not what ${fields.policy} allows`);
    await cut;
    const status = await this.#ask();
    expect(status === 503, `status ${status}`);
    pass("channel cut", `the next request gets ${status}`);
  }

  /** Until interrupted, telling every verdict. */
  async serve(interrupted: Promise<void>): Promise<void> {
    this.#watch.each((logged) => {
      const verdict = verdictOf(logged);
      if (verdict !== undefined) print(`${new Date().toISOString().slice(11, 19)}  ${verdict}`);
    });
    const { port, adminPort, tokenPath } = this.#edge;
    print(`
  Postern demo, attested                                   Ctrl-C stops it

  Public URL     http://${NAME}.localhost:${port}/     every ${REAUTH.serve.interval} the TPM proves the machine anew
  Admin          http://127.0.0.1:${adminPort ?? 0}/status   /metrics
  As an operator --control http://127.0.0.1:${port} --token-file ${tokenPath}

  Change what the machine is, and see its channel cut:

    TPM2TOOLS_TCTI=${this.#tpm.tcti} tpm2_pcrextend ${PCR}:sha256=${"01".repeat(32)}
`);
    await Promise.race([interrupted, this.#edge.finished]);
    print("Stopping.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#operator.close();
    await this.#agent?.stop();
    await this.#edge.stop();
    await this.#origin.shutdown();
    await Deno.remove(this.#directory, { recursive: true });
  }

  /** What `postern enroll-token` and `postern enroll` do. */
  async #enroll(): Promise<string> {
    const { token } = await this.#operator.issueEnrollmentToken({ labels: [LABEL] }, step());
    const tpm = await openTpm(parseTpmAddress(this.#tpm.address)!, {
      clock: systemClock,
      random: systemRandom,
    });
    const { agentId, labels } = await enroll(tpm, this.#operator, token, step());
    pass(
      "enrollment",
      `${agentId}, its ${tpm.ekTemplate} endorsement key is certified; labels ${labels.join(",")}`,
    );
    return agentId;
  }

  #startAgent(): Promise<RunningAgent> {
    return startAgent(
      agentDefaults({
        control: `http://127.0.0.1:${this.#edge.port}`,
        admin_listen: "off",
        state_directory: `${this.#directory}/agent`,
        drain_timeout: "2s",
        tpm: this.#tpm.address,
      }, [{ name: NAME, target: `127.0.0.1:${this.#origin.addr.port}` }]),
      { log: this.#watch.log },
    );
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const token = await Deno.readTextFile(this.#edge.tokenPath);
    const response = await fetch(`http://127.0.0.1:${this.#edge.port}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: step(),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answers ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  async #ask(): Promise<number> {
    return (await ask(this.#edge, `${NAME}.localhost`, "/")).status;
  }
}

function isReattested({ event }: LoggedEvent): boolean {
  return event === "re-authentication succeeded";
}

function isRefused({ event }: LoggedEvent): boolean {
  return event === "machine refused";
}

function isCut({ event }: LoggedEvent): boolean {
  return event.startsWith("re-authentication failed");
}

function verdictOf(logged: LoggedEvent): string | undefined {
  const { event, fields } = logged;
  if (event === "channel established") return `channel established, tier ${fields.tier}`;
  if (isReattested(logged)) return `accepted under ${fields.policy_version}`;
  if (isRefused(logged)) {
    return `refused: ${fields.code}${fields.pcrs === undefined ? "" : `, PCR ${fields.pcrs}`}`;
  }
  if (isCut(logged)) return "channel cut";
  return undefined;
}
