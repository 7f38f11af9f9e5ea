/**
 * How an authorizer is: asked at a URI that a verified token names, and at no host but those that the operator allows. One poll
 * serves all who ask meanwhile. Whether it says 200 is all that is looked at: nothing is followed, and no more is read.
 */
import { badAuthorities, readAuthorities } from "./driver/mod.ts";
import type { EdgeConfig } from "./config/mod.ts";
import type { Clock, Log } from "./ports/mod.ts";
import { boundedFetch } from "./tokens/mod.ts";

/** For the whole answer. */
const TIMEOUT_MS = 5_000;
/** Most bytes of an answer; one that has more is not well. */
const MAX_ANSWER_BYTES = 65_536;
/** Hosts that are complained about, each once. */
const MAX_TOLD = 64;

export class AuthorizerHealth {
  readonly #client: Deno.HttpClient;
  readonly #hosts: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #polls = new Map<string, Promise<boolean>>();
  readonly #told = new Set<string>();

  private constructor(client: Deno.HttpClient, hosts: ReadonlySet<string>, clock: Clock, log: Log) {
    this.#client = client;
    this.#hosts = hosts;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws `ca_certificates_invalid`, and what reading the file throws. */
  static async open(
    { reauth }: Pick<EdgeConfig, "reauth">,
    { clock, log }: { clock: Clock; log: Log },
  ): Promise<AuthorizerHealth> {
    const { authorizerCaFile, authorizerHosts, authorizerStatusUri } = reauth;
    const caCerts = authorizerCaFile === null ? [] : [await readAuthorities(authorizerCaFile)];
    const own = authorizerStatusUri === null ? [] : [new URL(authorizerStatusUri).hostname];
    let client: Deno.HttpClient;
    try {
      client = Deno.createHttpClient({ caCerts });
    } catch (cause) {
      throw badAuthorities(cause);
    }
    const hosts = new Set([...own, ...authorizerHosts.map((host) => host.toLowerCase())]);
    return new AuthorizerHealth(client, hosts, clock, log);
  }

  /** Never throws. Where nobody may be asked nothing is put off: true. */
  async isHealthy(uri: string): Promise<boolean> {
    const url = URL.parse(uri);
    if (url === null || url.protocol !== "https:" || !this.#hosts.has(url.hostname)) {
      this.#tellOnce(url?.hostname ?? "");
      return true;
    }
    let poll = this.#polls.get(url.href);
    if (poll === undefined) {
      poll = this.#poll(url.href).finally(() => this.#polls.delete(url.href));
      this.#polls.set(url.href, poll);
    }
    return await poll;
  }

  close(): void {
    this.#client.close();
  }

  async #poll(url: string): Promise<boolean> {
    try {
      const answer = await boundedFetch(url, { headers: { accept: "*/*" } }, {
        clock: this.#clock,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_ANSWER_BYTES,
        client: this.#client,
      });
      return answer.status === 200;
    } catch {
      return false;
    }
  }

  #tellOnce(host: string): void {
    if (this.#told.has(host) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(host);
    this.#log("warn", "authorizer is not asked: reauth.authorizer_hosts does not name its host", { host });
  }
}
