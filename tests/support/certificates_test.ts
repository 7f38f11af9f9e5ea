import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { CertificateAuthority } from "./certificates.ts";
import { curl } from "./curl.ts";

Deno.test("CertificateAuthority.issue() signs leaves that its own certificate verifies", async () => {
  await using authority = await CertificateAuthority.make();
  const leaf = await authority.issue({ names: ["DNS:a.test", "URI:spiffe://example.test/agent/1"] });
  const parsed = new X509Certificate(leaf.cert);
  assert.ok(parsed.verify(new X509Certificate(authority.ca.cert).publicKey));
  assert.match(parsed.subjectAltName ?? "", /DNS:a\.test, URI:spiffe:\/\/example\.test\/agent\/1/);
});

Deno.test("CertificateAuthority makes certificates that curl accepts under its CA only", async () => {
  await using authority = await CertificateAuthority.make();
  const { cert, key } = await authority.issue({ names: ["DNS:a.test"] });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => new Response("ok"),
  );
  const connectTo = { "a.test:443": server.addr.port };
  const trusted = await curl("https://a.test/", { connectTo, args: ["--cacert", authority.ca.certPath] });
  assert.equal(trusted.text, "ok");
  await using other = await CertificateAuthority.make();
  const foreign = await curl("https://a.test/", { connectTo, args: ["--cacert", other.ca.certPath] });
  assert.equal(foreign.code, 60, "peer certificate cannot be authenticated");
});
