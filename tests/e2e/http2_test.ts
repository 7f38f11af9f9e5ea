import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { H2Error } from "../../src/http2/mod.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { Chromium } from "../support/chromium.ts";
import { Http2Client } from "../support/http2_client.ts";
import { Process } from "../support/process.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, metricOf, type Stack, startStack } from "../support/stack.ts";

const names = ["DNS:localhost", "DNS:*.localhost", "DNS:shop.localhost"];

/** An origin that tells what it got. */
function echo(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = new Uint8Array(await request.arrayBuffer());
    const headers = Object.fromEntries(request.headers);
    if (new URL(request.url).pathname === "/mirror") return new Response(body);
    return Response.json({
      method: request.method,
      path: new URL(request.url).pathname,
      headers,
      body: body.length,
    });
  });
}

interface Secure extends AsyncDisposable {
  readonly stack: Stack;
  readonly caPath: string;
  readonly cacert: string[];
}

/** A stack with a certificate, whose service `shop` leads to `port`. */
async function secureStack(port: number, edge: Record<string, string> = {}): Promise<Secure> {
  const ca = await CertificateAuthority.make();
  const { certPath, keyPath } = await ca.issue({ names, usage: "serverAuth" });
  const stack = await startStack({
    edge: { "tls.cert_file": certPath, "tls.key_file": keyPath, ...edge },
    agent: { ca_file: ca.ca.certPath },
  });
  await stack.addAgent([{ name: "shop", target: `127.0.0.1:${port}` }], {
    control: `https://localhost:${stack.port}`,
  });
  return {
    stack,
    caPath: ca.ca.certPath,
    cacert: ["--cacert", ca.ca.certPath],
    async [Symbol.asyncDispose]() {
      await stack[Symbol.asyncDispose]();
      await ca[Symbol.asyncDispose]();
    },
  };
}

Deno.test("over TLS curl gets HTTP/2 by ALPN, and the origin the same request as over HTTP/1.1", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port);
  const { stack, cacert } = secure;
  const url = `https://${stack.host("shop")}/a?b=c`;
  const args = [...cacert, "-H", "X-Request-Id: r-1", "-H", "Cookie: a=1; b=2"];
  const second = await curl(url, { args: [...args, "--http2"] });
  assert.deepEqual([second.status, second.httpVersion], [200, "2"], second.stderr);
  const first = await curl(url, { args: [...args, "--http1.1"] });
  assert.deepEqual([first.status, first.httpVersion], [200, "1.1"], first.stderr);
  assert.deepEqual(JSON.parse(second.text), JSON.parse(first.text));
});

Deno.test("a large body goes both ways over HTTP/2", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port);
  const { stack, cacert } = secure;
  const body = new Uint8Array(8 * 1_048_576).map((_, at) => (at * 31) ^ (at >> 13));
  const answer = await curl(`https://${stack.host("shop")}/mirror`, { args: [...cacert, "--http2"], body });
  assert.deepEqual([answer.status, answer.httpVersion], [200, "2"], answer.stderr);
  assert.ok(Buffer.from(answer.body).equals(body));
});

Deno.test("http2=false leaves HTTP/1.1 alone in ALPN", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port, { http2: "false" });
  const answer = await curl(`https://${secure.stack.host("shop")}/`, { args: [...secure.cacert, "--http2"] });
  assert.deepEqual([answer.status, answer.httpVersion], [200, "1.1"], answer.stderr);
});

Deno.test("h2c is spoken with those that h2c_from names, and refused to all others", async () => {
  await using origin = echo();
  await using stack = await startStack({
    edge: { h2c_from: "127.0.0.0/8" },
    services: [{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const args = ["--http2-prior-knowledge"];
  const taken = await curl(stack.url("shop"), { args });
  assert.deepEqual([taken.status, taken.httpVersion], [200, "2"], taken.stderr);
  const plain = await curl(stack.url("shop"));
  assert.deepEqual([plain.status, plain.httpVersion], [200, "1.1"]);
  await using other = await startStack({ edge: { h2c_from: "10.0.0.0/8" } });
  const refused = await curl(other.url("shop"), { args });
  assert.notEqual(refused.code, 0);
  using client = await Http2Client.connect(other.port);
  await eventually("GOAWAY", () => client.goaways.length > 0);
  assert.deepEqual([client.goaways[0].number, client.goaways[0].debug], [
    H2Error.http11Required,
    "http_h2_preface",
  ]);
});

Deno.test("a host that neither SNI nor the certificate covers is 421 misdirected_request", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port);
  const { stack, cacert } = secure;
  const args = [...cacert, "--http2", "-H", `Host: elsewhere.example:${stack.port}`];
  const answer = await curl(`https://${stack.host("shop")}/`, { args });
  assert.deepEqual(
    [answer.status, JSON.parse(answer.text).code],
    [421, "misdirected_request"],
    answer.stderr,
  );
});

Deno.test("control answers over HTTP/2 as over HTTP/1.1", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port);
  const url = `https://localhost:${secure.stack.port}/nothing-here`;
  const second = await curl(url, { args: [...secure.cacert, "--http2"] });
  const first = await curl(url, { args: [...secure.cacert, "--http1.1"] });
  assert.equal(second.httpVersion, "2");
  assert.deepEqual(second.status, first.status);
});

Deno.test("hundreds of streams at once on a few connections all get their answers", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port);
  const { stack } = secure;
  const result = await Process.run("h2load", {
    args: [
      "-n2000",
      "-c4",
      "-m100",
      `--connect-to=127.0.0.1:${stack.port}`,
      `https://${stack.host("shop")}/`,
    ],
  });
  assert.match(
    result.stdout,
    /2000 succeeded, 0 failed, 0 errored, 0 timeout/,
    result.stdout + result.stderr,
  );
  assert.match(result.stdout, /Application protocol: h2/);
});

Deno.test("a page that Chromium loads over HTTP/2 uploads and opens a WebSocket over that same connection", async () => {
  await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (request.headers.get("upgrade") === "websocket") {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(`${data} too`);
      return response;
    }
    if (request.method === "POST") return new Response(String((await request.arrayBuffer()).byteLength));
    return new Response("<!doctype html><title>page</title>", { headers: { "content-type": "text/html" } });
  });
  await using secure = await secureStack(origin.addr.port);
  await using browser = await Chromium.start({ ignoreCertificates: true });
  const page = await browser.open(`https://${secure.stack.host("shop")}/`);
  const result = await page.evaluate(`(async () => {
    const [navigation] = performance.getEntriesByType("navigation");
    const posted = await (await fetch("/", { method: "POST", body: new Uint8Array(3_000_000) })).text();
    const said = await new Promise((resolve, reject) => {
      const socket = new WebSocket("wss://" + location.host + "/ws");
      socket.onopen = () => socket.send("you");
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => reject(new Error("the socket failed"));
    });
    return [navigation.nextHopProtocol, posted, said];
  })()`);
  assert.deepEqual(result, ["h2", "3000000", "you too"]);
  // Chromium takes the connection that it has for it (RFC 8441).
  const series = 'postern_viewer_connections_total{protocol="h2"}';
  assert.equal(metricOf(await secure.stack.metrics(), series), 1);
});

Deno.test("node:http2 sees interim responses, trailers and bodies as the origin sent them", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    for (;;) {
      const head = await socket.through("\r\n\r\n");
      if (head.startsWith("POST")) await socket.through("0\r\n\r\n");
      await socket.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
      await socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      if (!head.startsWith("HEAD")) await socket.send("2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n");
    }
  });
  await using secure = await secureStack(origin.port);
  const fixture = new URL("fixture_http2_client.ts", import.meta.url).pathname;
  const { stdout, stderr } = await Process.run(Deno.execPath(), {
    args: ["run", "-A", "--no-check", fixture, String(secure.stack.port), secure.caPath, "shop.localhost"],
  });
  const whole = { interim: 103, status: 200, trailer: "9", body: "ok" };
  assert.deepEqual(
    JSON.parse(stdout || "null"),
    [whole, whole, { interim: 103, status: 200, body: "" }],
    stderr,
  );
});

Deno.test("a head that is too large over HTTP/2 is 431, answered on its stream", async () => {
  await using origin = echo();
  await using secure = await secureStack(origin.addr.port, { "limits.max_head_bytes": "8KiB" });
  const { stack, cacert } = secure;
  const url = `https://${stack.host("shop")}/`;
  const large = Array.from({ length: 3 }, (_, at) => ["-H", `X-${at}: ${"~".repeat(7_000)}`]).flat();
  const answer = await curl(url, { args: [...cacert, "--http2", ...large] });
  assert.deepEqual(
    [answer.status, JSON.parse(answer.text).code],
    [431, "http_head_too_large"],
    answer.stderr,
  );
});
