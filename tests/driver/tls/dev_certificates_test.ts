import assert from "node:assert/strict";
import { systemRandom } from "../../../src/driver/mod.ts";
import { CertificateStore, loadOrMakeDevCertificates } from "../../../src/driver/tls/mod.ts";
import { curl } from "../../support/curl.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { echo, TlsServer } from "./tls_server.ts";

const dayMs = 86_400_000;
const at = (wallMs: number) => ({ wall: () => wallMs });
const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;

Deno.test("loadOrMakeDevCertificates() makes files for this user only that curl trusts for every name", async () => {
  await using state = await TempDir.make();
  const options = { publicHost: "postern.test", clock: at(Date.now()), random: systemRandom };
  const files = await loadOrMakeDevCertificates(`${state.path}/edge`, options);
  assert.equal(files.made, true);
  assert.equal(files.caPath, `${state.path}/edge/tls/ca.pem`);
  assert.equal(await modeOf(`${state.path}/edge/tls`), 0o700);
  for (const path of [files.caPath, files.certPath, files.keyPath]) assert.equal(await modeOf(path), 0o600);
  assert.deepEqual([...Deno.readDirSync(`${state.path}/edge/tls`)].map(({ name }) => name).sort(), [
    "ca.pem",
    "edge.key",
    "edge.pem",
  ]);

  const store = await CertificateStore.load({ files: [files] });
  await using server = new TlsServer(store, async ({ stream }) => {
    await stream.read(new Uint8Array(4_096));
    await stream.write(new TextEncoder().encode("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"));
    await stream.closeWrite();
  });
  const get = (host: string, authority = host) =>
    curl(`https://${authority}:${server.port}/`, {
      args: ["--http1.1", "--cacert", files.caPath],
      connectTo: { [`${authority}:${server.port}`]: server.port },
    });
  for (const host of ["postern.test", "app.postern.test", "localhost", "127.0.0.1", "[::1]"]) {
    const { status, stderr } = await get(host);
    assert.equal(status, 204, `${host}: ${stderr}`);
  }
  for (const host of ["a.b.postern.test", "other.test"]) assert.equal((await get(host)).code, 60, host);
});

Deno.test("loadOrMakeDevCertificates() keeps its files until 30 days before their end, and for the same host", async () => {
  await using state = await TempDir.make();
  const nowMs = Date.UTC(2026, 0, 1);
  const load = (wallMs: number, publicHost = "postern.test") =>
    loadOrMakeDevCertificates(state.path, { publicHost, clock: at(wallMs), random: systemRandom });
  assert.equal((await load(nowMs)).made, true);
  assert.equal((await load(nowMs)).made, false);
  assert.equal((await load(nowMs + 366 * dayMs)).made, false);
  assert.equal((await load(nowMs + 368 * dayMs)).made, true, "less than 30 days are left");
  assert.equal((await load(nowMs)).made, true, "they begin in the future");
  assert.equal((await load(nowMs, "other.test")).made, true);
  assert.equal((await load(nowMs, "other.test")).made, false);
});

Deno.test("loadOrMakeDevCertificates() makes files anew that are damaged or do not fit together", async () => {
  await using state = await TempDir.make();
  await using elsewhere = await TempDir.make();
  const options = { publicHost: "postern.test", clock: at(Date.now()), random: systemRandom };
  const files = await loadOrMakeDevCertificates(state.path, options);
  const others = await loadOrMakeDevCertificates(elsewhere.path, options);
  for (const part of ["caPath", "certPath", "keyPath"] as const) {
    await Deno.copyFile(others[part], files[part]);
    assert.equal((await loadOrMakeDevCertificates(state.path, options)).made, true, `foreign ${part}`);
    await Deno.writeTextFile(files[part], "damaged");
    assert.equal((await loadOrMakeDevCertificates(state.path, options)).made, true, `damaged ${part}`);
    assert.equal(await modeOf(files[part]), 0o600);
  }
  assert.equal((await loadOrMakeDevCertificates(state.path, options)).made, false);
});

Deno.test("loadOrMakeDevCertificates() satisfies Deno's own client, which agents use, for any kind of host", async () => {
  for (const publicHost of ["localhost", "edge.localhost", "postern.test", "192.0.2.7"]) {
    await using state = await TempDir.make();
    const options = { publicHost, clock: at(Date.now()), random: systemRandom };
    const files = await loadOrMakeDevCertificates(state.path, options);
    assert.equal((await loadOrMakeDevCertificates(state.path, options)).made, false);
    await using server = new TlsServer(await CertificateStore.load({ files: [files] }), echo);
    const caCerts = [await Deno.readTextFile(files.caPath)];
    const below = publicHost.includes(".") && publicHost !== "192.0.2.7" ? [`app.${publicHost}`] : [];
    for (const hostname of ["localhost", "127.0.0.1", publicHost, ...below]) {
      const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      const conn = await Deno.startTls(tcp, { hostname, caCerts });
      await conn.handshake();
      await conn.closeWrite();
      assert.equal(await conn.read(new Uint8Array(1)), null, hostname);
      conn.close();
    }
  }
});
