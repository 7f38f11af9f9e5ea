/** A real nginx on loopback ports, as origin or as proxy in front. */
import { accepts, freePort } from "./ports.ts";
import { Process } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

export interface NginxOptions {
  /**
   * Contents of `http { }`: server blocks. `{port}` becomes {@link Nginx.port}, `{root}` {@link Nginx.root},
   * `{tls_port}` {@link Nginx.tlsPort}. Without it: serves the files of `root`.
   */
  readonly http?: string;
  /** Contents of `stream { }`, where the build has that module. */
  readonly stream?: string;
  /** Directives before all blocks, such as `load_module`. */
  readonly main?: string;
  /** Connections of its one worker, those to origins included (512). */
  readonly connections?: number;
  /** Files below `root`, by relative path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

const defaultHttp = `server { listen 127.0.0.1:{port}; root {root}; }`;

/** Ends with its scope: `await using origin = await Nginx.start({ files: { "index.html": "hello" } })`. */
export class Nginx implements AsyncDisposable {
  readonly port: number;
  readonly tlsPort: number;
  /** Folder of the served files. */
  readonly root: string;
  readonly process: Process;
  readonly #folder: TempDir;

  private constructor(port: number, tlsPort: number, root: string, process: Process, folder: TempDir) {
    this.port = port;
    this.tlsPort = tlsPort;
    this.root = root;
    this.process = process;
    this.#folder = folder;
  }

  static async start(options: NginxOptions = {}): Promise<Nginx> {
    const folder = await TempDir.make("nginx", 0o755);
    try {
      const port = freePort();
      const tlsPort = freePort();
      const root = folder.file("root");
      await Deno.mkdir(root);
      for (const [name, content] of Object.entries(options.files ?? {})) {
        await folder.write(`root/${name}`, content, 0o644);
      }
      const fill = (text: string) =>
        text.replaceAll("{port}", `${port}`).replaceAll("{tls_port}", `${tlsPort}`).replaceAll(
          "{root}",
          root,
        );
      const config = await folder.write("nginx.conf", configuration(folder, options, fill), 0o644);
      const process = Process.start("nginx", {
        cwd: folder.path,
        args: ["-p", folder.path, "-e", "stderr", "-c", config],
      });
      try {
        await process.waitUntil(() => accepts(port));
      } catch (error) {
        await process.stop();
        throw error;
      }
      return new Nginx(port, tlsPort, root, process, folder);
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `http://127.0.0.1:<port>` */
  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Lines of the access log so far; nginx writes them after the response. */
  async accessLog(): Promise<string> {
    // nginx writes a line after the response is sent: the reader may be first.
    for (let turn = 0; turn < 200; turn++) {
      const text = await Deno.readTextFile(this.#folder.file("access.log"));
      if (text !== "") return text;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop("SIGQUIT");
    await this.#folder[Symbol.asyncDispose]();
  }
}

function configuration(folder: TempDir, options: NginxOptions, fill: (text: string) => string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${folder.file(name)};`)
    .join("\n");
  // Workers of a root nginx stay root: the served folder belongs to the user of the test.
  const user = Deno.uid() === 0 ? "user root;" : "";
  const { main = "", connections = 512 } = options;
  return `
${main}
daemon off;
${user}
pid ${folder.file("nginx.pid")};
worker_processes 1;
error_log stderr warn;
worker_rlimit_nofile ${2 * connections};
events { worker_connections ${connections}; }
http {
${temporary}
  access_log ${folder.file("access.log")};
  types { text/html html; text/plain txt; application/javascript js; text/css css; }
  default_type application/octet-stream;
${fill(options.http ?? defaultHttp)}
}
${options.stream ? `stream {\n${fill(options.stream)}\n}` : ""}
`;
}
