import assert from "node:assert/strict";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { startStack } from "../support/stack.ts";

const names = ["DNS:localhost", "DNS:shop.localhost"];

function web(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    return new Response(
      `${request.headers.get("x-forwarded-proto")} ${request.headers.get("x-forwarded-host")}`,
    );
  });
}

Deno.test("with a certificate of its own the edge serves https, and its agents come over wss and trust only the CA file", async () => {
  await using ca = await CertificateAuthority.make();
  await using stranger = await CertificateAuthority.make("Another CA");
  const { certPath, keyPath } = await ca.issue({ names, usage: "serverAuth" });
  await using origin = web();
  await using stack = await startStack({
    edge: { "tls.cert_file": certPath, "tls.key_file": keyPath },
  });
  const control = `https://localhost:${stack.port}`;
  const services = [{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }];
  const retry = { "retry.max_elapsed": "300ms" };
  await assert.rejects(
    stack.addAgent(services, { control, ca_file: stranger.ca.certPath, ...retry }),
    { code: "backoff_exhausted" },
  );
  assert.ok(stack.lines.some(({ fields }) => /certificate/i.test(String(fields.detail))));
  const agent = await stack.addAgent(services, { control, ca_file: ca.ca.certPath });
  const [{ url }] = agent.status().services;
  assert.equal(url, `https://${stack.host("shop")}`);
  const answer = await curl(url, { args: ["--cacert", ca.ca.certPath] });
  assert.equal(answer.text, `https ${stack.host("shop")}`, answer.stderr);
});

Deno.test("a large body passes through TLS in both directions", async () => {
  await using ca = await CertificateAuthority.make();
  const { certPath, keyPath } = await ca.issue({ names, usage: "serverAuth" });
  await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    return new Response(request.body);
  });
  await using stack = await startStack({
    edge: { "tls.cert_file": certPath, "tls.key_file": keyPath },
    agent: { ca_file: ca.ca.certPath },
  });
  await stack.addAgent([{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }], {
    control: `https://localhost:${stack.port}`,
  });
  const body = crypto.getRandomValues(new Uint8Array(65_536));
  const large = new Uint8Array(16 * 1_048_576).map((_, at) => body[at % 65_521] ^ (at >> 16));
  const answer = await curl(`https://${stack.host("shop")}/`, {
    args: ["--cacert", ca.ca.certPath],
    body: large,
  });
  assert.equal(answer.body.length, large.length, answer.stderr);
  assert.ok(answer.body.every((byte, at) => byte === large[at]));
});
