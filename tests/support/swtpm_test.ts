import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { Process } from "./process.ts";
import { Swtpm } from "./swtpm.ts";

const zero = "00".repeat(32);

Deno.test("Swtpm.start() makes a TPM whose endorsement certificates lead to the root of its maker", async () => {
  await using tpm = await Swtpm.start({ eks: ["rsa2048", "p256", "p384"] });
  const indices = await tpm.tool("getcap", "handles-nv-index");
  for (const index of ["0x1C00002", "0x1C0000A", "0x1C00016"]) assert.ok(indices.includes(index), indices);
  const { rootPath, intermediatePath } = tpm.maker;
  for (const [kind, der] of Object.entries(tpm.certificates)) {
    const pem = tpm.file(`${kind}.pem`);
    await Deno.writeTextFile(pem, new X509Certificate(der).toString());
    const { code, stderr } = await Process.run("openssl", {
      args: ["verify", "-ignore_critical", "-CAfile", rootPath, "-untrusted", intermediatePath, pem],
    });
    assert.equal(code, 0, stderr);
  }
  await tpm.tool("nvread", "0x01c0000a", "-o", "p256.crt");
  assert.deepEqual(await Deno.readFile(tpm.file("p256.crt")), tpm.certificates.p256);
});

Deno.test("Swtpm.start() keeps only the certificates that it was asked for", async () => {
  await using tpm = await Swtpm.start({ eks: ["rsa2048"] });
  assert.deepEqual(Object.keys(tpm.certificates), ["rsa2048"]);
  const indices = await tpm.tool("getcap", "handles-nv-index");
  assert.ok(indices.includes("0x1C00002") && !indices.includes("0x1C00016"), indices);
});

Deno.test("Swtpm.start() gives one TPM by name, another by another name", async () => {
  await using first = await Swtpm.start();
  await using again = await Swtpm.start();
  await using other = await Swtpm.start({ name: "second" });
  assert.deepEqual(again.certificates, first.certificates);
  assert.notDeepEqual(other.certificates.p384, first.certificates.p384);
  assert.equal(other.rootsDirectory, first.rootsDirectory);
});

Deno.test("Swtpm.extend() changes a PCR until the next reset", async () => {
  await using tpm = await Swtpm.start();
  assert.equal(await tpm.pcr(7), zero);
  await tpm.extend(7);
  const extended = await tpm.pcr(7);
  const said = await tpm.tool("pcrread", "sha256:7,23");
  assert.ok(said.includes(extended.toUpperCase()), said);
  assert.notEqual(extended, zero);
  await tpm.extend(7);
  assert.notEqual(await tpm.pcr(7), extended);
  await tpm.reset();
  assert.equal(await tpm.pcr(7), zero);
});

Deno.test("Swtpm counts resets and restarts as a machine does", async () => {
  await using tpm = await Swtpm.start();
  const before = await counters(tpm);
  await tpm.restart();
  assert.deepEqual(await counters(tpm), { ...before, restarts: before.restarts + 1 });
  await tpm.reset();
  assert.deepEqual(await counters(tpm), { resets: before.resets + 1, restarts: 0, safe: true });
  await tpm.kill();
  await tpm.powerOn();
  assert.deepEqual(await counters(tpm), { resets: before.resets + 2, restarts: 0, safe: false });
});

Deno.test("Swtpm.address serves several programs, its own address one, over a unix socket or TCP", async () => {
  // TPM2_GetRandom of 4 bytes: TCG TPM 2.0 Part 3, 16.1.
  const command = Uint8Array.fromHex("80010000000c0000017b0004");
  for (const tcp of [false, true]) {
    await using tpm = await Swtpm.start({ tcp });
    using first = await connect(tpm.address);
    using second = await connect(tpm.tcpAddress);
    for (const conn of [first, second, first]) {
      await conn.write(command);
      const answer = new Uint8Array(64);
      assert.equal(await conn.read(answer), 16);
      assert.equal(answer.subarray(0, 10).toHex(), "80010000001000000000");
    }
    assert.equal((await tpm.command(command)).length, 16);
    assert.match(tpm.ownAddress, tcp ? /^tcp:127\.0\.0\.1:\d+$/ : /^unix:\//);
  }
});

Deno.test("Swtpm.kill() in the middle of a command ends connections; powerOn() brings it back", async () => {
  await using tpm = await Swtpm.start();
  const command = Uint8Array.fromHex("80010000000c0000017b0004");
  assert.equal((await tpm.command(command)).length, 16);
  tpm.freeze();
  const lost = assert.rejects(tpm.command(command));
  await tpm.kill();
  await lost;
  await tpm.powerOn();
  assert.equal((await tpm.command(command)).length, 16);
});

Deno.test("Swtpm.clone() has the same keys and state of its own", async () => {
  await using tpm = await Swtpm.start();
  await using copy = await tpm.clone();
  const primary = async (tpm: Swtpm) => {
    await tpm.tool("createprimary", "-C", "e", "-c", "key.ctx");
    await tpm.tool("readpublic", "-c", "key.ctx", "-o", "key.pub");
    return await Deno.readFile(tpm.file("key.pub"));
  };
  assert.deepEqual(await primary(copy), await primary(tpm));
  await copy.extend(0);
  assert.equal(await tpm.pcr(0), zero);
});

async function counters(tpm: Swtpm): Promise<{ resets: number; restarts: number; safe: boolean }> {
  const text = await tpm.tool("readclock");
  const value = (name: string) => new RegExp(`${name}: (\\w+)`).exec(text)![1];
  return {
    resets: Number(value("reset_count")),
    restarts: Number(value("restart_count")),
    safe: value("safe") === "yes",
  };
}

function connect(address: string): Promise<Deno.Conn> {
  if (address.startsWith("unix:")) return Deno.connect({ transport: "unix", path: address.slice(5) });
  const [, hostname, port] = address.split(":");
  return Deno.connect({ hostname, port: Number(port) });
}
