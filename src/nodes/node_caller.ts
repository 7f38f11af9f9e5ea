/** Keeps a channel to one of several hosts: the next address after a failure, full jitter between attempts, for ever. */
import { formatHostPort } from "../bytes/mod.ts";
import { Backoff } from "../channel/mod.ts";
import { type DialOptions, dialTcp } from "../driver/mod.ts";
import { connectMutualTls, type ExpectedPeer } from "../driver/tls/mod.ts";
import { codeOf } from "../errors/mod.ts";
import { NodeLink, type NodeLinkOptions } from "./node_link.ts";

/** A thousand nodes that lost one host come back over 30 s instead of at once. */
const backoff = Object.freeze({ initialMs: 1_000, maxMs: 30_000, maxElapsedMs: 0 });

export interface NodeCallerOptions extends Omit<NodeLinkOptions, "connection"> {
  /** In the order of preference. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly expected: ExpectedPeer;
  readonly network?: DialOptions["network"];
  /** Of every handshake: `ok`, or why not. */
  readonly onHandshake?: (result: string) => void;
  /** The channel is over. */
  readonly onLost?: (code: string) => void;
}

export class NodeCaller {
  readonly #options: NodeCallerOptions;
  readonly #stopped = new AbortController();
  readonly #backoff: Backoff;
  #link: NodeLink | undefined;
  #running: Promise<void> | undefined;
  #lastCode: string | undefined;

  constructor(options: NodeCallerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(backoff, options.random);
  }

  /** The channel that stands; undefined while there is none. */
  get link(): NodeLink | undefined {
    return this.#link;
  }

  get isOnline(): boolean {
    return this.#link?.isOnline ?? false;
  }

  /** Why there is no channel, or why the last one ended. */
  get lastCode(): string | undefined {
    return this.#lastCode;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#link?.end("ok");
    await this.#running;
  }

  async #run(): Promise<void> {
    const { addresses, log, clock } = this.#options;
    for (let at = 0; !this.#stopped.signal.aborted; at = (at + 1) % addresses.length) {
      const code = await this.#attempt(addresses[at]);
      this.#lastCode = code;
      if (this.#stopped.signal.aborted) return;
      const waitMs = this.#backoff.next(clock.now()) ?? backoff.maxMs;
      log("warn", "node channel lost", {
        host: formatHostPort(addresses[at].host, addresses[at].port),
        code,
        retry_ms: waitMs,
      });
      await this.#wait(waitMs);
    }
  }

  /** Resolves with the code of its end. */
  async #attempt({ host, port }: { readonly host: string; readonly port: number }): Promise<string> {
    const { clock, network, expected, identity, onHandshake, onLost, onWelcome, log } = this.#options;
    const { signal } = this.#stopped;
    let code: string;
    try {
      const tcp = await dialTcp(host, port, { clock, signal, ...(network === undefined ? {} : { network }) });
      const connection = await connectMutualTls(tcp, { identity, clock, expected, signal });
      onHandshake?.("ok");
      const link = new NodeLink({
        ...this.#options,
        connection,
        onWelcome: () => {
          this.#backoff.reset();
          this.#link = link;
          log("info", "node channel established", { host: link.host });
          onWelcome?.();
        },
      });
      const stop = () => link.end("ok");
      signal.addEventListener("abort", stop, { once: true });
      code = await link.run();
      signal.removeEventListener("abort", stop);
    } catch (error) {
      code = codeOf(error);
      if (!signal.aborted) onHandshake?.(code);
    }
    if (this.#link !== undefined) {
      this.#link = undefined;
      onLost?.(code);
    }
    return code;
  }

  #wait(ms: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopped;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = clock.schedule(clock.now() + ms, done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}
