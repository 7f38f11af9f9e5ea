/** What stands behind every tunnel: the lab server, and nginx as HTTP origin where it is installed. */
import { Nginx } from "../../tests/support/nginx.ts";
import { Process } from "../../tests/support/process.ts";
import { findBinary } from "../../tools/test/packages.ts";
import type { Origin } from "./peers/mod.ts";

export interface RunningOrigin extends Origin, AsyncDisposable {
  /** What answers HTTP. */
  readonly httpName: "nginx" | "Deno.serve";
}

const NGINX = `
  server {
    listen 127.0.0.1:{port} backlog=4096;
    access_log off;
    keepalive_requests 100000000;
    location / { default_type text/plain; return 200 "${"a".repeat(1024)}"; }
  }`;

export async function startOrigin(): Promise<RunningOrigin> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(Process.start(Deno.execPath(), {
    args: ["run", "--allow-net=127.0.0.1", new URL("lab/server.ts", import.meta.url).pathname],
  }));
  const [line] = await lab.waitFor(/\{.*\}/);
  const { port, httpPort } = JSON.parse(line) as { port: number; httpPort: number };
  const nginx = findBinary("nginx") === undefined ? undefined : stack.use(await Nginx.start({ http: NGINX }));
  const started = stack.move();
  return {
    labPort: port,
    httpPort: nginx?.port ?? httpPort,
    httpName: nginx === undefined ? "Deno.serve" : "nginx",
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}
