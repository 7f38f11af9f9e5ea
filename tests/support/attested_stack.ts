/** A stack that trusts the maker of software TPMs: machines enroll, and agents prove themselves by their TPM. */
import { ControlClient, enroll, openTpm, type RunningAgent } from "../../agent/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { type Settings, type Stack, type StackOptions, startStack } from "./stack.ts";
import { Swtpm } from "./swtpm.ts";

/** Longest time for one step of an enrollment. */
const stepMs = 90_000;

export interface AttestedOptions {
  /** Over the stack's own settings of the edge. */
  readonly edge?: Settings;
  /** Over the stack's own settings of every agent. */
  readonly agent?: Settings;
  /** What each machine is labelled with. */
  readonly labels?: readonly string[];
}

/** Ends with its scope: `await using stack = await AttestedStack.start()`. */
export class AttestedStack implements AsyncDisposable {
  readonly stack: Stack;
  /** With the operator's token. */
  readonly operator: ControlClient;
  readonly #labels: readonly string[] | undefined;

  private constructor(stack: Stack, labels: readonly string[] | undefined) {
    this.stack = stack;
    this.#labels = labels;
    this.operator = new ControlClient({
      url: this.controlUrl,
      clock: systemClock,
      userAgent: "test",
      token: async () => (await Deno.readTextFile(stack.edge.tokenPath)).trim(),
    });
  }

  static async start(
    maker: Pick<Swtpm, "rootsDirectory">,
    options: AttestedOptions = {},
  ): Promise<AttestedStack> {
    const { edge, agent, labels } = options;
    const stack = await startStack(
      {
        edge: { "attestation.roots_directory": maker.rootsDirectory, ...edge },
        agent,
      } satisfies StackOptions,
    );
    return new AttestedStack(stack, labels);
  }

  get controlUrl(): string {
    return `http://127.0.0.1:${this.stack.port}`;
  }

  /** Lets this TPM's machine in, as `postern enroll` does. Returns its agent id. */
  async enroll(tpm: Swtpm): Promise<string> {
    const { token } = await this.operator.issueEnrollmentToken({ labels: this.#labels }, signal());
    const client = await openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom });
    return (await enroll(client, this.operator, token, signal())).agentId;
  }

  /** Starts an agent of this TPM's machine and waits until its services are online. */
  serve(tpm: Swtpm, services: readonly Settings[], settings: Settings = {}): Promise<RunningAgent> {
    return this.stack.addAgent(services, { ...this.#settings, tpm: tpm.address, ...settings });
  }

  /** The same without the wait, and without a TPM where none is given: for agents that are to be refused. */
  start(
    tpm: Swtpm | undefined,
    services: readonly Settings[],
    settings: Settings = {},
  ): Promise<RunningAgent> {
    const identity: Settings = tpm === undefined ? {} : { tpm: tpm.address };
    return this.stack.startAgent(services, { ...this.#settings, ...identity, ...settings });
  }

  /** All agents are of one owner: any of them may take up a name of another. */
  get #settings(): Settings {
    return { token_file: this.stack.edge.tokenPath, token_renewal: "false" };
  }

  /** A route for operators. Throws what is no success. */
  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const token = await Deno.readTextFile(this.stack.edge.tokenPath);
    const response = await fetch(`${this.controlUrl}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token.trim()}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: signal(),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answers ${response.status}: ${text}`);
    return JSON.parse(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.operator.close();
    await this.stack[Symbol.asyncDispose]();
  }
}

function signal(): AbortSignal {
  return AbortSignal.timeout(stepMs);
}
