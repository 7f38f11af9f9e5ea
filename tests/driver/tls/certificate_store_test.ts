import assert from "node:assert/strict";
import { writeAll } from "../../../src/driver/mod.ts";
import { type CertificateFiles, CertificateStore } from "../../../src/driver/tls/mod.ts";
import { CertificateAuthority, type KeyPair } from "../../support/certificates.ts";
import { Process } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { echo, readAll, TlsServer } from "./tls_server.ts";

const serialOf = (store: CertificateStore) => store.certificates.map(({ serialNumber }) => serialNumber);

/** Copies of a pair in files that a test may replace. */
async function place(folder: TempDir, stem: string, pair: KeyPair): Promise<CertificateFiles> {
  const files = { certPath: folder.file(`${stem}.pem`), keyPath: folder.file(`${stem}.key`) };
  await Deno.writeTextFile(files.certPath, pair.cert);
  await Deno.writeTextFile(files.keyPath, pair.key, { mode: 0o600 });
  return files;
}

/** The subject alternative names that the server shows for a name. */
async function shownNames(port: number, serverName: string | undefined, caPath: string): Promise<string> {
  const name = serverName === undefined ? ["-noservername"] : ["-servername", serverName];
  const shown = await Process.run("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", caPath, "-verify_return_error", ...name],
    stdin: "",
  });
  const { stdout } = await Process.run("openssl", {
    args: ["x509", "-noout", "-ext", "subjectAltName"],
    stdin: shown.stdout,
  });
  return stdout.trim().split("\n").at(-1)!.trim();
}

Deno.test("CertificateStore.contextFor() takes the exact name, then the wildcard of one label, then the default", async () => {
  await using authority = await CertificateAuthority.make();
  await using folder = await TempDir.make();
  const files = [
    await place(folder, "default", await authority.issue({ names: ["DNS:default.test"] })),
    await place(folder, "wild", await authority.issue({ names: ["DNS:*.Edge.test"] })),
    await place(folder, "exact", await authority.issue({ names: ["DNS:app.edge.test", "DNS:*.edge.test"] })),
  ];
  const store = await CertificateStore.load({ files });
  const [fallback, wild, exact] = ["default.test", "x.edge.test", "app.edge.test"].map((n) =>
    store.contextFor(n)
  );
  assert.equal(new Set([fallback, wild, exact]).size, 3);
  assert.equal(store.contextFor("y.edge.test"), wild);
  for (const other of ["a.b.edge.test", "edge.test", "other.test", "*", ".edge.test", "x", undefined]) {
    assert.equal(store.contextFor(other), fallback, `${other}`);
  }
  assert.deepEqual(
    [["x.edge.test", "y.edge.test"], ["app.edge.test", "x.edge.test"], ["x.edge.test", "default.test"], [
      "unknown.test",
      "default.test",
    ], ["x.edge.test", "a.b.edge.test"]].map(([name, host]) => store.coversBoth(name, host)),
    [true, true, false, true, false],
  );
  const strict = await CertificateStore.load({ files, unknownNames: "refuse" });
  assert.notEqual(strict.contextFor("default.test"), undefined);
  assert.equal(strict.contextFor("other.test"), undefined);
  assert.equal(strict.contextFor(undefined), undefined);

  await using server = new TlsServer(store, echo);
  const shown = (name?: string) => shownNames(server.port, name, authority.ca.certPath);
  assert.equal(await shown("APP.edge.test"), "DNS:app.edge.test, DNS:*.edge.test");
  assert.equal(await shown("z.edge.test"), "DNS:*.Edge.test");
  assert.equal(await shown("other.test"), "DNS:default.test");
  assert.equal(await shown(), "DNS:default.test");
});

Deno.test("CertificateStore.reload() serves new connections and leaves established ones alone", async () => {
  await using authority = await CertificateAuthority.make();
  await using folder = await TempDir.make();
  const files = await place(
    folder,
    "edge",
    await authority.issue({ names: ["DNS:localhost", "DNS:old.test"] }),
  );
  const store = await CertificateStore.load({ files: [files] });
  await using server = new TlsServer(store, echo);
  const connect = () =>
    Deno.connectTls({ hostname: "localhost", port: server.port, caCerts: [authority.ca.cert] });
  const established = await connect();
  await established.handshake();

  await place(folder, "edge", await authority.issue({ names: ["DNS:localhost", "DNS:new.test"] }));
  assert.deepEqual(await store.reload(), { outcome: "reloaded", warnings: [] });
  assert.equal(
    await shownNames(server.port, "localhost", authority.ca.certPath),
    "DNS:localhost, DNS:new.test",
  );
  const remoteAddress = "established";
  const write = (from: Uint8Array) => established.write(from);
  await writeAll({ ...established, remoteAddress, write, close() {} }, new Uint8Array([7, 8]));
  await established.closeWrite();
  assert.deepEqual([...await readAll(established)], [7, 8]);
  established.close();
});

Deno.test("CertificateStore.reload() keeps the old certificates when a new file is bad, and says so", async () => {
  await using authority = await CertificateAuthority.make();
  await using folder = await TempDir.make();
  const [first, second] = [
    await authority.issue({ names: ["DNS:a.test"] }),
    await authority.issue({ names: ["DNS:b.test"] }),
  ];
  const files = [await place(folder, "one", first), await place(folder, "two", second)];
  const store = await CertificateStore.load({ files });
  const before = serialOf(store);
  // The first pair is fine and new, the second one is not: none of them counts.
  await place(folder, "one", await authority.issue({ names: ["DNS:c.test"] }));
  for (
    const break_ of [
      () => Deno.writeTextFile(files[1].certPath, "no certificate"),
      () => Deno.writeTextFile(files[1].certPath, first.cert),
      () => Deno.remove(files[1].certPath),
    ]
  ) {
    await break_();
    const result = await store.reload();
    assert.equal(result.outcome, "kept");
    assert.equal(result.outcome === "kept" && result.error.code, "certificate_unusable");
    assert.deepEqual(serialOf(store), before);
  }
  await place(folder, "two", second);
  assert.equal((await store.reload()).outcome, "reloaded");
  assert.notDeepEqual(serialOf(store), before);
});

Deno.test("CertificateStore.load() refuses the certificate of an authority: certificate_is_authority", async () => {
  await using authority = await CertificateAuthority.make();
  await using folder = await TempDir.make();
  const files = await place(folder, "pair", authority.ca);
  await assert.rejects(CertificateStore.load({ files: [files] }), {
    code: "certificate_is_authority",
    message: /pair\.pem: it is the certificate of an authority/,
  });
});

Deno.test("the lines of the operator guide make an authority, and a certificate that the edge takes", async () => {
  const guide = await Deno.readTextFile(new URL("../../../docs/operator-guide.md", import.meta.url));
  const [, lines] = /```sh\n(domain=[^`]*)```/.exec(guide)!;
  await using folder = await TempDir.make();
  const { code, stderr } = await Process.run("sh", { args: ["-ec", lines], cwd: folder.path });
  assert.equal(code, 0, stderr);
  const [certPath, keyPath] = [folder.file("tls.crt"), folder.file("tls.key")];
  const store = await CertificateStore.load({ files: [{ certPath, keyPath }] });
  assert.ok(store.covers("tunnel.example.com") && store.covers("shop.tunnel.example.com"));
  const checked = await Process.run("openssl", {
    args: ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", folder.file("ca.pem"), certPath],
  });
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
});

Deno.test("CertificateStore.load() refuses what TLS could not use, and names the file", async () => {
  await using authority = await CertificateAuthority.make();
  await using folder = await TempDir.make();
  const good = await authority.issue({ names: ["DNS:a.test"] });
  const load = async (pair: Pick<KeyPair, "cert" | "key">) => {
    const files = await place(folder, "pair", { ...good, ...pair });
    return await CertificateStore.load({ files: [files] });
  };
  const other = await authority.issue({ names: ["DNS:a.test"] });
  const cases = [
    { pair: { cert: "", key: good.key }, message: /pair\.pem: it holds no certificate/ },
    { pair: { cert: good.key, key: good.key }, message: /pair\.pem: it holds no certificate/ },
    { pair: { cert: good.cert, key: good.cert }, message: /pair\.key: it holds no private key/ },
    {
      pair: { cert: good.cert, key: other.key },
      message: /pair\.key: it does not belong to the certificate/,
    },
    { pair: { cert: good.cert, key: await encrypted(good) }, message: /pair\.key: it holds no private key/ },
    { pair: await selfSigned("ec_paramgen_curve:secp256k1"), message: /pair\.pem: its kind of key/ },
  ];
  for (const { pair, message } of cases) {
    await assert.rejects(load(pair), (error: Error & { code?: string }) => {
      assert.equal(error.code, "certificate_unusable");
      assert.match(error.message, message);
      return true;
    });
  }
  assert.equal((await load(good)).certificates.length, 1);
});

Deno.test("CertificateStore.load() refuses a key that everybody may read, and warns of one that the group may", async () => {
  await using authority = await CertificateAuthority.make();
  await using folder = await TempDir.make();
  const files = await place(folder, "edge", await authority.issue({ names: ["DNS:a.test"] }));
  await Deno.chmod(files.keyPath, 0o644);
  await assert.rejects(CertificateStore.load({ files: [files] }), { code: "secret_file_permissions" });
  await Deno.chmod(files.keyPath, 0o640);
  const store = await CertificateStore.load({ files: [files] });
  assert.match(store.warnings.join(), /edge\.key/);
});

async function selfSigned(curve: string): Promise<{ cert: string; key: string }> {
  const { stdout } = await Process.run("openssl", {
    args: [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      curve,
      "-nodes",
      "-subj",
      "/CN=a",
      "-keyout",
      "-",
      "-out",
      "-",
    ],
  });
  const blocks = stdout.match(/-----BEGIN [^]*?-----END [A-Z ]*-----\n/g)!;
  return {
    cert: blocks.find((b) => b.includes("CERTIFICATE"))!,
    key: blocks.find((b) => b.includes("KEY"))!,
  };
}

async function encrypted(pair: KeyPair): Promise<string> {
  const { stdout } = await Process.run("openssl", {
    args: ["pkcs8", "-topk8", "-in", pair.keyPath, "-passout", "pass:secret"],
  });
  return stdout;
}
