/** nginx as a plain reverse proxy on one machine: no tunnel, no encryption behind it, one hop instead of two. */
import { Nginx } from "../../../tests/support/nginx.ts";
import { childrenOf } from "../processes.ts";
import { Process } from "../../../tests/support/process.ts";
import { findBinary } from "../../../tools/test/packages.ts";
import { aptInstall } from "./install.ts";
import { HOST, type Peer } from "./peer.ts";
import { freePorts } from "../ports.ts";

/** Where Debian puts it; other builds have it inside or not at all. */
const STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so";
/** Enough for 10,000 streams, each with two ends. */
const CONNECTIONS = 24_000;

export const nginx: Peer = {
  name: "nginx",
  filesPerStream: 2,
  async describe() {
    const program = findBinary("nginx");
    if (program === undefined) return undefined;
    const { stderr } = await Process.run(program, { args: ["-v"] });
    const stream = await hasStream() ? "" : ", no stream module: no TCP rows";
    return `nginx ${
      /nginx\/(\S+)/.exec(stderr)?.[1]
    } as reverse proxy, one hop, plain to the origin${stream}`;
  },
  install: () => aptInstall("nginx-light", "libnginx-mod-stream"),
  async start({ origin, link }) {
    const hostname = "127.0.0.1";
    const upstream = async (port: number) => `${hostname}:${await link?.to(port) ?? port}`;
    const [labPort, tcpPort] = [freePorts(), freePorts()];
    const { certificate } = origin;
    const stream = await hasStream();
    const tls = certificate === undefined ? "" : `
    listen ${hostname}:{tls_port} ssl http2 backlog=4096;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${certificate.certPath};
    ssl_certificate_key ${certificate.keyPath};`;
    const httpUpstream = await upstream(origin.httpPort);
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(
      await Nginx.start({
        main: stream && await exists(STREAM_MODULE) ? `load_module ${STREAM_MODULE};` : "",
        connections: CONNECTIONS,
        http: `
  upstream origin { server ${httpUpstream}; keepalive 512; keepalive_requests 100000000; }
  server {
    listen ${hostname}:{port} backlog=4096;${tls}
    server_name ${HOST};
    access_log off;
    keepalive_requests 100000000;
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
    }
  }`,
        stream: stream
          ? `
  server { listen ${hostname}:${labPort} backlog=4096; tcp_nodelay on; proxy_pass ${await upstream(
            origin.labPort,
          )}; }
  server { listen ${hostname}:${tcpPort} backlog=4096; tcp_nodelay on; proxy_pass ${httpUpstream}; }`
          : undefined,
      }),
    );
    const edge = [proxy.process.pid, ...await childrenOf(proxy.process.pid)];
    const { port, tlsPort } = proxy;
    const started = stack.move();
    return {
      ...(stream && {
        lab: { hostname, port: labPort },
        tcpHttp: { hostname, port: tcpPort, host: hostname },
      }),
      http: { hostname, port, host: HOST },
      ...(certificate !== undefined && { https: { hostname, port: tlsPort, host: HOST, secure: true } }),
      processes: { edge },
      [Symbol.asyncDispose]: () => started.disposeAsync(),
    };
  },
};

/** Whether this build forwards bare TCP. */
async function hasStream(): Promise<boolean> {
  if (await exists(STREAM_MODULE)) return true;
  const { stderr } = await Process.run(findBinary("nginx")!, { args: ["-V"] });
  return /--with-stream(\s|$)/.test(stderr);
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
