import assert from "node:assert/strict";
import { proxyHeader } from "../../src/wire/proxy_protocol/mod.ts";
import { openSslHello } from "../driver/tls/openssl_hello.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { mutate, seeded } from "../support/mutation.ts";
import { Nginx } from "../support/nginx.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, startStack } from "../support/stack.ts";

const mutations = 900;
const atOnce = 45;

Deno.test("900 broken ClientHellos, whole and in pieces, some behind PROXY headers, do the listener and what it serves no harm", async () => {
  await using ca = await CertificateAuthority.make();
  const edgePair = await ca.issue({ names: ["DNS:localhost", "DNS:web.localhost"] });
  const vaultPair = await ca.issue({ names: ["DNS:vault.localhost"] });
  await using vault = await Nginx.start({
    http: `server { listen 127.0.0.1:{port} ssl; return 200 "vault\\n"; client_header_timeout 1s;
      ssl_certificate ${vaultPair.certPath}; ssl_certificate_key ${vaultPair.keyPath}; }`,
  });
  await using web = await Nginx.start({ files: { "index.html": "web\n" } });
  await using stack = await startStack({
    edge: {
      listen: "[::]:0",
      anonymous_tunnels: "true",
      proxy_protocol_from: "::1",
      "tls.cert_file": edgePair.certPath,
      "tls.key_file": edgePair.keyPath,
      "timeouts.peek": "200ms",
      "timeouts.tls_handshake": "200ms",
    },
  });
  await stack.addAgent([
    { name: "web", target: `127.0.0.1:${web.port}` },
    { name: "vault", protocol: "tls", target: `127.0.0.1:${vault.port}` },
  ], { control: `https://localhost:${stack.port}`, ca_file: ca.ca.certPath });
  const idle = stack.plane.status().viewer_connections;
  const hellos = [
    await openSslHello("-servername", "web.localhost", "-alpn", "h2,http/1.1"),
    await openSslHello("-servername", "web.localhost", "-alpn", "http/1.1", "-tls1_2"),
    await openSslHello("-servername", "vault.localhost", "-alpn", "h2,http/1.1"),
    await openSslHello("-noservername"),
  ];
  const header = proxyHeader({ host: "203.0.113.7", port: 1 }, { host: "198.51.100.1", port: 443 });
  const random = seeded(2);
  let next = 0;
  const worker = async () => {
    while (next < mutations) {
      const run = next++;
      const viaProxy = run % 5 === 0;
      let bytes: Uint8Array = mutate(hellos[run % hellos.length], random);
      if (viaProxy) {
        bytes = new Uint8Array([...(run % 2 === 0 ? header : mutate(header, random)), ...bytes]);
      }
      using viewer = new RawClient(
        await Deno.connect({ hostname: viaProxy ? "::1" : "127.0.0.1", port: stack.port }),
      );
      // A refusal may come before the last piece: then there is nobody to send it to.
      const cut = run % 3 === 0 ? random(bytes.length + 1) : bytes.length;
      await viewer.send(bytes.subarray(0, cut)).catch(() => {});
      await viewer.send(bytes.subarray(cut)).catch(() => {});
      if (run % 7 !== 0) await viewer.conn.closeWrite().catch(() => {});
      await viewer.rest().catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await eventually("no connection is left", () => stack.plane.status().viewer_connections <= idle);
  for (const name of ["web", "vault"]) {
    const { text, stderr } = await curl(`https://${stack.host(name)}/`, {
      args: ["--cacert", ca.ca.certPath],
    });
    assert.equal(text, `${name}\n`, stderr);
  }
  const metrics = await stack.metrics();
  for (
    const code of ["tls_malformed_hello", "tls_handshake_failed", "tls_unknown_name", "proxy_header_missing"]
  ) {
    assert.match(metrics, new RegExp(`refusals_total\\{code="${code}",layer="listener"\\} [1-9]`), code);
  }
  assert.deepEqual(stack.lines.filter(({ level }) => level === "error"), []);
});
