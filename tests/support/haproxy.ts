/** A real HAProxy on loopback ports, as load balancer in front. */
import { accepts, freePort } from "./ports.ts";
import { Process } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

/** Ends with its scope. Passes bytes on to loopback ports, from an address of its own. */
export class Haproxy implements AsyncDisposable {
  /** One for each target, in order. */
  readonly ports: readonly number[];
  readonly #process: Process;
  readonly #folder: TempDir;

  private constructor(ports: readonly number[], process: Process, folder: TempDir) {
    this.ports = ports;
    this.#process = process;
    this.#folder = folder;
  }

  /** @param source loopback address that it comes from @param server further words of its `server` lines, e.g. `send-proxy-v2` */
  static async start(targets: readonly number[], source: string, server: string): Promise<Haproxy> {
    const folder = await TempDir.make("haproxy");
    const ports = targets.map(() => freePort());
    const sections = targets.map((target, at) => `
listen l${at}
  mode tcp
  bind 127.0.0.1:${ports[at]}
  source ${source}
  server s 127.0.0.1:${target} ${server}`);
    const config = await folder.write(
      "haproxy.cfg",
      `global\n  maxconn 100\ndefaults\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n${
        sections.join("\n")
      }\n`,
    );
    const process = Process.start("haproxy", { args: ["-db", "-f", config] });
    const haproxy = new Haproxy(ports, process, folder);
    try {
      for (const port of ports) await process.waitUntil(() => accepts(port));
      return haproxy;
    } catch (error) {
      await haproxy[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
    await this.#folder[Symbol.asyncDispose]();
  }
}
