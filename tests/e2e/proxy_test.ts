import assert from "node:assert/strict";
import { startAgent } from "../../agent/mod.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { Nginx } from "../support/nginx.ts";
import { ForwardProxy } from "../support/proxies.ts";
import { startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

const CREDENTIALS = "agent:hunter2";

Deno.test("an agent publishes through a real proxy that demands credentials, from a file", async () => {
  await using origin = await Nginx.start({ files: { "index.html": "behind a proxy" } });
  await using proxy = await ForwardProxy.start({ credentials: CREDENTIALS });
  await using stack = await startStack();
  const file = await stack.folder.write("credentials", `${CREDENTIALS}\n`, 0o600);
  await stack.addAgent([{ name: "web", target: `127.0.0.1:${origin.port}` }], {
    proxy: `http://127.0.0.1:${proxy.port}`,
    proxy_credentials_file: file,
    no_proxy: "elsewhere.example",
  });
  const response = await stack.fetch("web");
  assert.equal(await response.text(), "behind a proxy");
  const asked = (await proxy.log()).match(/CONNECT 127\.0\.0\.1:\d+|CONNECT localhost:\d+/g) ?? [];
  assert.ok(asked.length >= 2, "control and the carrier both went through it");
  assert.ok(!JSON.stringify(stack.lines).includes("hunter2"));
});

Deno.test("an agent speaks TLS to the proxy by the proxy's own authority, and TLS to the edge inside of it", async () => {
  await using folder = await TempDir.make("proxy-tls");
  await using ours = await CertificateAuthority.make("edge CA");
  await using theirs = await CertificateAuthority.make("proxy CA");
  const edgeCertificate = await ours.issue({ names: ["DNS:localhost", "DNS:*.localhost"] });
  const tls = await theirs.issue({ names: ["DNS:localhost", "IP:127.0.0.1"] });
  await using origin = await Nginx.start({ files: { "big.bin": new Uint8Array(3_000_000).fill(7) } });
  await using proxy = await ForwardProxy.start({ credentials: CREDENTIALS, tls });
  await using stack = await startStack({
    edge: { "tls.cert_file": edgeCertificate.certPath, "tls.key_file": edgeCertificate.keyPath },
  });
  const settings = {
    control: `https://localhost:${stack.port}`,
    ca_file: ours.ca.certPath,
    proxy: `https://localhost:${proxy.port}`,
    proxy_credentials_file: await folder.write("credentials", CREDENTIALS, 0o600),
    no_proxy: "",
  };
  await stack.addAgent([{ name: "web", target: `127.0.0.1:${origin.port}` }], {
    ...settings,
    proxy_ca_file: theirs.ca.certPath,
  });
  const response = await stack.fetch("web", "/big.bin");
  assert.equal((await response.arrayBuffer()).byteLength, 3_000_000);
  assert.match(await proxy.log(), /CONNECT localhost:\d+/);
  // The edge's authority says nothing about the proxy.
  const distrusting = await startAgent(agentDefaults({
    ...settings,
    admin_listen: "off",
    state_directory: folder.file("distrusting"),
    "retry.initial": "10ms",
    "retry.max": "10ms",
    "retry.max_elapsed": "50ms",
  }, [{ name: "other", target: "127.0.0.1:9" }]));
  const error = await distrusting.done;
  assert.equal(error?.code, "backoff_exhausted");
  assert.match(String(error?.cause), /invalid certificate: UnknownIssuer/);
});

const refusals: [what: string, credentials: string, connectPort: number | undefined, code: string][] = [
  ["wrong credentials", "agent:wrong", undefined, "proxy_auth_required"],
  ["a port that it does not allow", CREDENTIALS, 9, "proxy_refused"],
];

for (const [what, credentials, connectPort, code] of refusals) {
  Deno.test(`an agent that comes to a real proxy with ${what} says ${code}`, async () => {
    await using proxy = await ForwardProxy.start({ credentials: CREDENTIALS, connectPort });
    await using stack = await startStack();
    const agent = await startAgent(agentDefaults({
      control: `http://127.0.0.1:${stack.port}`,
      admin_listen: "off",
      state_directory: stack.folder.file("refused"),
      proxy: `http://127.0.0.1:${proxy.port}`,
      proxy_credentials_file: await stack.folder.write("credentials", credentials, 0o600),
      no_proxy: "",
      "retry.initial": "10ms",
      "retry.max": "10ms",
      "retry.max_elapsed": "50ms",
    }, [{ name: "web", target: "127.0.0.1:9" }]));
    const error = await agent.done;
    assert.equal(error?.code === "backoff_exhausted" ? error.detail.code : error?.code, code);
    assert.ok(!Deno.inspect(error).includes("hunter2"));
  });
}

Deno.test("an agent goes past the proxy to hosts in no_proxy, by default to this machine", async () => {
  await using origin = await Nginx.start({ files: { "index.html": "straight" } });
  await using stack = await startStack();
  // Nothing answers at that proxy.
  await stack.addAgent([{ name: "web", target: `127.0.0.1:${origin.port}` }], {
    proxy: "http://127.0.0.1:9",
  });
  assert.equal(await (await stack.fetch("web")).text(), "straight");
});

Deno.test("an agent reaches control and edge at an IPv6 literal", async () => {
  await using origin = await Nginx.start({ files: { "index.html": "over IPv6" } });
  await using stack = await startStack({ edge: { listen: "[::1]:0" } });
  await stack.addAgent([{ name: "web", target: `127.0.0.1:${origin.port}` }], {
    control: `http://[::1]:${stack.port}`,
  });
  const conn = await Deno.connect({ hostname: "::1", port: stack.port });
  await conn.write(
    new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${stack.host("web")}\r\nConnection: close\r\n\r\n`),
  );
  assert.match(await new Response(conn.readable).text(), /over IPv6$/);
});
