/** Nodes of one control: enrolled by tokens over its API, a few at a time, then all at once. */
import type { IdentityControl } from "../../agent/identity/mod.ts";
import { identityAnswer } from "../../agent/identity_messages.ts";
import { ControlClient } from "../../agent/mod.ts";
import { systemClock } from "../../src/driver/mod.ts";
import type { Counts } from "./counts.ts";
import { SimulatedNode } from "./simulated_node.ts";

/** Below the handshakes that control judges at a time for one address. */
const atOnce = 8;
/** At certificates that may be over. */
const lookEveryMs = 250;
/** Until all are connected. */
const connectMs = 60_000;

export interface ControlAddress {
  /** Of the control API. */
  readonly url: string;
  /** Of nodes. */
  readonly port: number;
  /** An operator's management token. */
  readonly token: string;
}

export class Fleet implements AsyncDisposable {
  readonly #nodes: SimulatedNode[] = [];
  readonly #client: ControlClient;
  #looks: ReturnType<typeof setInterval> | undefined;

  private constructor(client: ControlClient) {
    this.#client = client;
  }

  /** @param folder for the identities. Throws what control refuses with. */
  static async start(
    control: ControlAddress,
    { nodes, folder, counts }: { readonly nodes: number; readonly folder: string; readonly counts: Counts },
  ): Promise<Fleet> {
    const client = new ControlClient({ url: control.url, clock: systemClock, userAgent: "bench" });
    const fleet = new Fleet(client);
    const api: IdentityControl = {
      // Enrollment has a limit for each address; here each node has an address of its own, behind a proxy that control trusts.
      async enrollIdentity(token, csr) {
        return identityAnswer.parse(await post(control, "/v1/identity/enroll", { token, csr }));
      },
      renewalNonce: (signal) => client.renewalNonce(signal),
      renewIdentity: (request, signal) => client.renewIdentity(request, signal),
      trustBundles: (after, signal) => client.trustBundles(after, signal),
      nodeRevocations: (signal) => client.nodeRevocations(signal),
    };
    const ids = Array.from({ length: nodes }, (_, n) => `c${n}`);
    const next = async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        const path = `${folder}/${id}.json`;
        const { token } = await post(control, "/v1/enroll/tokens", { role: "connector", id }) as {
          token: string;
        };
        const address = { host: "127.0.0.1", port: control.port };
        const node = await SimulatedNode.start({ path, token, api, address, counts });
        fleet.#nodes.push(node);
        await until(`${id} is connected`, () => node.isConnected);
      }
    };
    try {
      await Promise.all(Array.from({ length: atOnce }, next));
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
    let lookedMs = performance.now();
    fleet.#looks = setInterval(() => {
      const nowMs = performance.now();
      counts.stalled(nowMs - lookedMs - lookEveryMs);
      lookedMs = nowMs;
      for (const node of fleet.#nodes) node.look();
    }, lookEveryMs);
    return fleet;
  }

  get online(): number {
    return this.#nodes.filter(({ isOnline }) => isOnline).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#looks);
    await Promise.all(this.#nodes.map((node) => node.stop()));
    this.#client.close();
  }
}

let requests = 0;

/** From an address that nobody came from before. */
async function post({ url, token }: ControlAddress, path: string, body: unknown): Promise<unknown> {
  const n = requests++;
  const from = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      "x-forwarded-for": from,
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(connectMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${text}`);
  return JSON.parse(text);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + connectMs;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
