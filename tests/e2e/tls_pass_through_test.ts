import assert from "node:assert/strict";
import { parseClientHello } from "../../src/wire/tls/mod.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { Nginx } from "../support/nginx.ts";
import { freePort } from "../support/ports.ts";
import { Process } from "../support/process.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, metricOf, startStack } from "../support/stack.ts";
import { openSslHello } from "../driver/tls/openssl_hello.ts";

/** An nginx that ends TLS with a certificate of its own. */
function tlsOrigin(text: string, { certPath, keyPath }: { certPath: string; keyPath: string }) {
  return Nginx.start({
    http: `server { listen 127.0.0.1:{port} ssl; ssl_certificate ${certPath}; ssl_certificate_key ${keyPath};
      return 200 "${text} $ssl_server_name\\n"; }`,
  });
}

/** What `openssl s_client` says about a connection for this name. */
async function sClient(port: number, name: string): Promise<string> {
  const { stdout, stderr } = await Process.run("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", name],
    stdin: "",
  });
  return stdout + stderr;
}

Deno.test("TLS for a service of protocol tls reaches it as it is, beside TLS that ends at the edge, on one port", async () => {
  await using serviceCa = await CertificateAuthority.make("The service's own CA");
  await using edgeCa = await CertificateAuthority.make("The edge's CA");
  const names = ["DNS:vault.localhost", "DNS:a.shop.localhost"];
  await using vault = await tlsOrigin("vault", await serviceCa.issue({ names }));
  await using web = await Nginx.start({ files: { "index.html": "web\n" } });
  const { certPath, keyPath } = await edgeCa.issue({
    names: ["DNS:localhost", "DNS:web.localhost", "DNS:vault.localhost"],
  });
  await using stack = await startStack({ edge: { "tls.cert_file": certPath, "tls.key_file": keyPath } });
  const target = `127.0.0.1:${vault.port}`;
  const agent = await stack.addAgent([
    { name: "vault", protocol: "tls", target },
    { name: "*.shop", protocol: "tls", target },
    { name: "web", target: `127.0.0.1:${web.port}` },
  ], {
    control: `https://localhost:${stack.port}`,
    ca_file: edgeCa.ca.certPath,
    token_file: stack.edge.tokenPath,
  });
  assert.deepEqual(
    agent.status().services.map(({ url, protocol }) => [url, protocol]),
    [
      [`https://${stack.host("vault")}`, "tls"],
      [`https://${stack.host("*.shop")}`, "tls"],
      [`https://${stack.host("web")}`, "http"],
    ],
  );
  const get = (name: string, ca: CertificateAuthority) =>
    curl(`https://${stack.host(name)}/`, { args: ["--cacert", ca.ca.certPath] });
  assert.equal((await get("vault", serviceCa)).text, "vault vault.localhost\n");
  assert.equal((await get("VAULT", serviceCa)).text, "vault vault.localhost\n");
  assert.equal((await get("a.shop", serviceCa)).text, "vault a.shop.localhost\n");
  assert.equal((await get("web", edgeCa)).text, "web\n");
  // The edge's own certificate covers the name, and yet it is not what the viewer gets.
  assert.match((await get("vault", edgeCa)).stderr, /unable to get local issuer|self.signed/i);
  assert.match(await (await stack.metrics()), /viewer_connections_total\{protocol="tls"\} 4/);
  const bytes = /postern_bytes_total\{direction="out",service="tls:vault\.localhost"\} (\d+)/;
  assert.ok(Number(bytes.exec(await stack.metrics())?.[1]) > 1_000);
});

Deno.test("requests for a service of protocol tls that come in clear, or over another host's TLS, are 421", async () => {
  await using stack = await startStack({
    services: [{ name: "vault", protocol: "tls", target: `127.0.0.1:${freePort()}` }],
  });
  const plain = await curl(stack.url("vault"));
  assert.deepEqual([plain.status, JSON.parse(plain.text).code], [421, "misdirected_request"]);
  for (const version of ["--http1.1", "--http2"]) {
    const fronted = await curl(`https://localhost:${stack.port}/`, {
      args: ["-k", version, "-H", `Host: ${stack.host("vault")}`],
    });
    assert.deepEqual([fronted.status, JSON.parse(fronted.text).code], [421, "misdirected_request"], version);
  }
});

Deno.test("the service gets every byte that the viewer sent, and half-close is kept in both directions", async () => {
  const hello = await openSslHello("-servername", "raw.localhost");
  await using origin = RawOrigin.start(async (socket) => {
    const first = await socket.exactly(hello.length);
    assert.deepEqual(parseClientHello(first), parseClientHello(hello));
    assert.deepEqual(first, new Uint8Array(hello));
    await socket.send("hello to you");
    const rest = await socket.rest();
    await socket.send(`and ${rest.length} more`);
  });
  await using stack = await startStack({
    services: [{ name: "raw", protocol: "tls", target: origin.target }],
  });
  using viewer = await stack.connect();
  // In pieces, the last with something behind it.
  await viewer.send(hello.subarray(0, 1));
  await viewer.send(hello.subarray(1, 100));
  const more = new Uint8Array(200_000);
  await viewer.send(new Uint8Array([...hello.subarray(100), ...more]));
  await viewer.conn.closeWrite();
  assert.equal(await viewer.rest(), `hello to youand ${more.length} more`);
});

Deno.test("a name that nobody has is answered with alert 112, also by an edge without a certificate", async () => {
  await using ca = await CertificateAuthority.make();
  await using service = await tlsOrigin("vault", await ca.issue({ names: ["DNS:vault.localhost"] }));
  await using stack = await startStack({ edge: { listen: "0.0.0.0:0", anonymous_tunnels: "true" } });
  const agent = await stack.addAgent([
    { name: "vault", protocol: "tls", target: `127.0.0.1:${service.port}` },
  ]);
  assert.equal(agent.status().services[0].url, `https://${stack.host("vault")}`);
  const answer = await curl(`https://${stack.host("vault")}/`, { args: ["--cacert", ca.ca.certPath] });
  assert.equal(answer.text, "vault vault.localhost\n", answer.stderr);
  assert.match(await sClient(stack.port, "nobody.localhost"), /alert number 112/);
  assert.match(await sClient(stack.port, "localhost"), /alert number 112/);
  assert.match(await sClient(stack.port, "elsewhere.test"), /alert number 112/);
  const metrics = await stack.metrics();
  assert.equal(metricOf(metrics, 'postern_refusals_total{code="tls_unknown_name",layer="listener"}'), 3);
});

Deno.test("a name that neither a service nor a certificate has is alert 112, one that the certificate covers gets the page", async () => {
  await using ca = await CertificateAuthority.make();
  const { certPath, keyPath } = await ca.issue({ names: ["DNS:localhost", "DNS:nobody.localhost"] });
  await using stack = await startStack({ edge: { "tls.cert_file": certPath, "tls.key_file": keyPath } });
  assert.match(await sClient(stack.port, "elsewhere.test"), /alert number 112/);
  const answer = await curl(`https://${stack.host("nobody")}/`, { args: ["-k"] });
  assert.equal(answer.status, 404, answer.stderr);
});

Deno.test("viewers wait for an agent that comes back within the grace time; after it they get alert 80", async () => {
  await using ca = await CertificateAuthority.make();
  await using service = await tlsOrigin("back", await ca.issue({ names: ["DNS:vault.localhost"] }));
  const services = [{ name: "vault", protocol: "tls", target: `127.0.0.1:${service.port}` }];
  await using stack = await startStack({ edge: { grace: "2s" }, services });
  const first = stack.agent;
  await first.stop();
  const waiting = curl(`https://${stack.host("vault")}/`, { args: ["--cacert", ca.ca.certPath] });
  await eventually("the viewer waits", () => stack.plane.status().viewer_connections > 0);
  const { agents } = stack;
  agents.pop(); // the next one has its state directory
  const second = await stack.addAgent(services);
  assert.equal((await waiting).text, "back vault.localhost\n");
  await second.stop();
  assert.match(await sClient(stack.port, "vault.localhost"), /alert number 80/);
  const metrics = await stack.metrics();
  assert.equal(metricOf(metrics, 'postern_refusals_total{code="tunnel_offline",layer="listener"}'), 1);
});

Deno.test("a service that nobody listens on is alert 80", async () => {
  await using stack = await startStack({
    services: [{ name: "vault", protocol: "tls", target: `127.0.0.1:${freePort()}` }],
  });
  assert.match(await sClient(stack.port, "vault.localhost"), /alert number 80/);
});

Deno.test("a viewer whose address the service denies is alert 49, and the service sees nothing", async () => {
  await using origin = RawOrigin.silent();
  await using stack = await startStack({
    services: [{ name: "vault", protocol: "tls", target: origin.target, "rules.deny": "127.0.0.0/8" }],
  });
  assert.match(await sClient(stack.port, "vault.localhost"), /alert number 49/);
  assert.equal(origin.connections, 0);
});

Deno.test("what passes through outlives the edge's settling, and is cut when its drain is over", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    await socket.send("begun");
    await socket.rest();
  });
  await using stack = await startStack({
    edge: { drain_timeout: "1500ms" },
    services: [{ name: "raw", protocol: "tls", target: origin.target }],
  });
  using viewer = await stack.connect();
  await viewer.send(await openSslHello("-servername", "raw.localhost"));
  assert.equal(new TextDecoder().decode(await viewer.exactly(5)), "begun");
  const stopped = stack.edge.stop();
  await eventually(
    "the agent was asked to go",
    () => stack.lines.some(({ event }) => event === "edge asks to leave"),
  );
  await viewer.send("still there");
  await stopped;
  assert.equal(await viewer.rest(), "");
});
