/** Real proxies on loopback: tinyproxy, and stunnel where TLS is to stand before it. */
import type { KeyPair } from "./certificates.ts";
import { accepts, freePort } from "./ports.ts";
import { Process } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

export interface ProxyOptions {
  /** `user:password` that it demands. */
  readonly credentials?: string;
  /** The only port to which it connects; any unless given. */
  readonly connectPort?: number;
  /** Certificate for TLS on the way to the proxy. */
  readonly tls?: KeyPair;
}

/** Ends with its scope. */
export class ForwardProxy implements AsyncDisposable {
  readonly #parts: readonly AsyncDisposable[];
  readonly #log: string;

  private constructor(
    /** Where it is spoken to, over TLS if there is a certificate. */
    readonly port: number,
    log: string,
    parts: readonly AsyncDisposable[],
  ) {
    this.#log = log;
    this.#parts = parts;
  }

  static async start(options: ProxyOptions = {}): Promise<ForwardProxy> {
    const folder = await TempDir.make("proxy");
    const parts: AsyncDisposable[] = [folder];
    try {
      const port = freePort();
      const log = folder.file("proxy.log");
      const lines = [
        `Port ${port}`,
        "Listen 127.0.0.1",
        "Timeout 60",
        "MaxClients 32",
        "Allow 127.0.0.1",
        `LogFile "${log}"`,
        "LogLevel Connect",
      ];
      if (options.credentials) lines.push(`BasicAuth ${options.credentials.replace(":", " ")}`);
      if (options.connectPort) lines.push(`ConnectPort ${options.connectPort}`);
      const config = await folder.write("tinyproxy.conf", `${lines.join("\n")}\n`, 0o600);
      const proxy = Process.start("tinyproxy", { args: ["-d", "-c", config] });
      parts.unshift(proxy);
      await proxy.waitUntil(() => accepts(port));
      if (options.tls === undefined) return new ForwardProxy(port, log, parts);
      const tlsPort = freePort();
      const stunnel = await folder.write(
        "stunnel.conf",
        `foreground = yes\npid =\n[proxy]\naccept = 127.0.0.1:${tlsPort}\nconnect = 127.0.0.1:${port}\n` +
          `cert = ${options.tls.certPath}\nkey = ${options.tls.keyPath}\n`,
        0o600,
      );
      const front = Process.start("stunnel4", { args: [stunnel] });
      parts.unshift(front);
      await front.waitUntil(() => accepts(tlsPort));
      return new ForwardProxy(tlsPort, log, parts);
    } catch (error) {
      for (const part of parts) await part[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it was asked for, as it logs it. */
  log(): Promise<string> {
    return Deno.readTextFile(this.#log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#parts) await part[Symbol.asyncDispose]();
  }
}
