/** Links with a delay, each a process of its own, for one tunnel. They end with their scope. */
import { Process } from "../../tests/support/process.ts";
import type { LinkOptions } from "./lab/delay_link.ts";
import type { Link } from "./peers/peer.ts";

const PROGRAM = new URL("lab/delay_main.ts", import.meta.url).pathname;

export class Links implements Link, AsyncDisposable {
  readonly #options: LinkOptions;
  readonly #stack = new AsyncDisposableStack();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  async to(port: number, hostname = "127.0.0.1", at = { hostname, port: 0 }): Promise<number> {
    const { delayMs, bitsPerSecond } = this.#options;
    const link = this.#stack.use(Process.start(Deno.execPath(), {
      args: [
        ...["run", "--allow-net", PROGRAM],
        ...[at.hostname, at.port, hostname, port, delayMs, bitsPerSecond].map(String),
      ],
    }));
    const [line] = await link.waitFor(/\{.*\}/);
    return (JSON.parse(line) as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
