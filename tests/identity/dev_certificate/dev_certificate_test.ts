import assert from "node:assert/strict";
import { systemRandom } from "../../../src/driver/mod.ts";
import {
  devCertificateLifetimeMs,
  devCertificateNames,
  makeDevCertificates,
} from "../../../src/identity/dev_certificate/mod.ts";
import { Process } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";

const nowMs = Date.UTC(2026, 0, 1, 12);

async function openssl(...args: string[]): Promise<string> {
  const { stdout, stderr } = await Process.run("openssl", { args });
  return stdout + stderr;
}

Deno.test("makeDevCertificates() is valid to openssl for its names and time, strictly read", async () => {
  await using folder = await TempDir.make();
  const made = await makeDevCertificates({ publicHost: "Edge.Test", nowMs, random: systemRandom });
  const [ca, cert, key] = [folder.file("ca.pem"), folder.file("cert.pem"), folder.file("key.pem")];
  await Deno.writeTextFile(ca, made.caCert);
  await Deno.writeTextFile(cert, made.cert);
  await Deno.writeTextFile(key, made.key);
  const verify = (atMs: number, ...names: string[]) =>
    openssl(
      ...["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", ca],
      ...["-attime", `${Math.floor(atMs / 1000)}`, ...names, cert],
    );
  for (const name of ["edge.test", "app.edge.test", "localhost"]) {
    assert.match(await verify(nowMs, "-verify_hostname", name), /OK/, name);
  }
  for (const ip of ["127.0.0.1", "::1"]) assert.match(await verify(nowMs, "-verify_ip", ip), /OK/, ip);
  assert.match(await verify(nowMs, "-verify_hostname", "a.b.edge.test"), /hostname mismatch/);
  assert.match(await verify(nowMs - 59 * 60_000), /OK/, "clocks may be behind");
  assert.match(await verify(nowMs - 61 * 60_000), /not yet valid/);
  const endMs = nowMs - 3_600_000 + devCertificateLifetimeMs;
  assert.match(await verify(endMs - 2_000), /OK/);
  assert.match(await verify(endMs), /has expired/);

  const text = await openssl("x509", "-in", cert, "-noout", "-text");
  assert.match(text, /ASN1 OID: prime256v1/);
  assert.match(text, /CA:FALSE/);
  assert.match(await openssl("x509", "-in", ca, "-noout", "-text"), /CA:TRUE, pathlen:0/);
  assert.equal(
    await openssl("pkey", "-in", key, "-pubout"),
    await openssl("x509", "-in", cert, "-noout", "-pubkey"),
  );
});

Deno.test("makeDevCertificates() constrains its authority to the names", async () => {
  await using folder = await TempDir.make();
  const made = await makeDevCertificates({ publicHost: "192.0.2.7", nowMs, random: systemRandom });
  await Deno.writeTextFile(folder.file("ca.pem"), made.caCert);
  const text = await openssl("x509", "-in", folder.file("ca.pem"), "-noout", "-ext", "nameConstraints");
  assert.match(text, /critical/);
  const permitted = text.split("\n").map((line) => line.trim()).filter((line) => /^(DNS|IP):/.test(line));
  assert.deepEqual(permitted, [
    "DNS:localhost",
    "IP:127.0.0.1/255.255.255.255",
    "IP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF",
    "IP:192.0.2.7/255.255.255.255",
  ]);
});

Deno.test("devCertificateNames() takes DNS names and addresses, and refuses the rest", () => {
  assert.deepEqual(devCertificateNames("Edge.Test"), {
    dns: ["localhost", "edge.test", "*.edge.test"],
    ip: ["127.0.0.1", "::1"],
  });
  assert.deepEqual(devCertificateNames("localhost").dns, ["localhost"]);
  assert.deepEqual(devCertificateNames("edge.localhost").dns, [
    "localhost",
    "edge.localhost",
    "*.edge.localhost",
  ]);
  assert.deepEqual(devCertificateNames("2001:DB8::7").ip, ["127.0.0.1", "::1", "2001:db8::7"]);
  for (
    const host of [
      "",
      "a b",
      "a..b",
      "edge.test:443",
      "*.edge.test",
      "-a.test",
      "1:2",
      "::1::2",
      "[::1]",
      "ä.test",
    ]
  ) {
    assert.throws(() => devCertificateNames(host), { code: "config_value_invalid" }, host);
  }
});
