/** What stands behind every tunnel: the lab server, and nginx as HTTP origin where it is installed. */
import { CertificateAuthority } from "../../tests/support/certificates.ts";
import { Nginx } from "../../tests/support/nginx.ts";
import { Process } from "../../tests/support/process.ts";
import { findBinary } from "../../tools/test/packages.ts";
import { HOST, type Origin } from "./peers/peer.ts";

export interface RunningOrigin extends Origin, AsyncDisposable {
  /** What answers HTTP. */
  readonly httpName: "nginx" | "Deno.serve";
}

const NGINX = `
  server {
    listen 127.0.0.1:{port} backlog=4096;TLS
    access_log off;
    keepalive_requests 100000000;
    location / { default_type text/plain; return 200 "${"a".repeat(1024)}"; }
  }`;

/** Enough for the highest level of every tunnel at once, with kept connections of pools. */
const CONNECTIONS = 16_384;

/** Directives that let it speak TLS to the `direct` peer. */
const tlsOf = ({ certPath, keyPath }: { certPath: string; keyPath: string }) => `
    listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${certPath};
    ssl_certificate_key ${keyPath};`;

export async function startOrigin(): Promise<RunningOrigin> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(Process.start(Deno.execPath(), {
    args: ["run", "--allow-net=127.0.0.1", new URL("lab/server.ts", import.meta.url).pathname],
  }));
  const [line] = await lab.waitFor(/\{.*\}/);
  const { port, httpPort } = JSON.parse(line) as { port: number; httpPort: number };
  const certificate = await certificateIn(stack);
  const nginx = findBinary("nginx") === undefined ? undefined : stack.use(
    await Nginx.start({
      http: NGINX.replace("TLS", certificate === undefined ? "" : tlsOf(certificate)),
      connections: CONNECTIONS,
    }),
  );
  const started = stack.move();
  return {
    labPort: port,
    httpPort: nginx?.port ?? httpPort,
    ...(nginx !== undefined && certificate !== undefined && { httpsPort: nginx.tlsPort }),
    certificate,
    httpName: nginx === undefined ? "Deno.serve" : "nginx",
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** A certificate that lives as long as the run; undefined without openssl. */
async function certificateIn(stack: AsyncDisposableStack): Promise<Origin["certificate"]> {
  if (findBinary("openssl") === undefined) return undefined;
  const authority = stack.use(await CertificateAuthority.make("Postern bench CA"));
  const names = ["DNS:localhost", `DNS:${HOST}`, "IP:127.0.0.1"];
  const { certPath, keyPath } = await authority.issue({ names, usage: "serverAuth" });
  return { certPath, keyPath, caPath: authority.ca.certPath };
}
