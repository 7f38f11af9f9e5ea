import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { Process } from "../support/process.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

const names = ["DNS:localhost", "DNS:web.localhost"];

/** Answers every request; one for /long gets a line each time that `more` is called, and ends with `end`. */
function service() {
  let served = 0;
  const long = Promise.withResolvers<(line: string) => Promise<void>>();
  const origin = RawOrigin.start(async (socket) => {
    for (;;) {
      const head = await socket.through("\r\n\r\n");
      served++;
      if (!head.startsWith("GET /long ")) {
        await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        continue;
      }
      await socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      long.resolve((line) =>
        socket.send(line === "" ? "0\r\n\r\n" : `${line.length.toString(16)}\r\n${line}\r\n`)
      );
    }
  });
  return { origin, more: long.promise, served: () => served };
}

Deno.test("certificates that are replaced under load cost no request, and files that do not fit keep the old ones and log why", async () => {
  await using ca = await CertificateAuthority.make();
  await using folder = await TempDir.make("reload");
  const pairs = await Promise.all([1, 2, 3].map(() => ca.issue({ names, usage: "serverAuth" })));
  const [certPath, keyPath] = [folder.file("edge.pem"), folder.file("edge.key")];
  const put = async ({ cert }: Pick<KeyPair, "cert">, { key }: Pick<KeyPair, "key">) => {
    await folder.write("edge.pem", cert, 0o600);
    await folder.write("edge.key", key, 0o600);
  };
  await put(pairs[0], pairs[0]);
  const { origin, more, served } = service();
  await using _origin = origin;
  await using stack = await startStack({
    edge: { "tls.cert_file": certPath, "tls.key_file": keyPath },
    agent: { ca_file: ca.ca.certPath },
  });
  await stack.addAgent([{ name: "web", target: origin.target }], {
    control: `https://localhost:${stack.port}`,
  });
  const url = `https://${stack.host("web")}/`;
  const args = ["--cacert", ca.ca.certPath];
  let running = true;
  const failed: string[] = [];
  const client = async () => {
    while (running) {
      const { code, text, stderr } = await curl(url, { args });
      if (code === 0 && text === "ok") continue;
      failed.push(`curl ${code}: ${stderr}`);
    }
  };
  const serial = async () => {
    const { stdout } = await Process.run("openssl", {
      args: ["s_client", "-connect", `127.0.0.1:${stack.port}`, "-servername", "web.localhost"],
      stdin: "",
    });
    return new X509Certificate(stdout.slice(stdout.indexOf("-----BEGIN"))).serialNumber;
  };
  const serialOf = ({ cert }: KeyPair) => new X509Certificate(cert).serialNumber;
  const kept = () => stack.lines.filter(({ event }) => event.startsWith("certificates kept"));

  const clients = [client(), client()];
  const download = curl(`${url}long`, { args });
  const tell = await more;
  await tell("before ");
  for (let round = 1; round <= 6; round++) {
    const [old, fresh] = [pairs[(round - 1) % 3], pairs[round % 3]];
    await put(fresh, old); // a mismatched pair
    await stack.edge.reload();
    await put({ cert: fresh.cert.slice(0, fresh.cert.length / 2) }, fresh); // half-written
    await stack.edge.reload();
    assert.equal(await serial(), serialOf(old));
    await put(fresh, fresh);
    await Promise.all([stack.edge.reload(), stack.edge.reload()]);
    assert.equal(await serial(), serialOf(fresh));
    await tell(`round ${round} `);
  }
  await Deno.remove(keyPath);
  await stack.edge.reload();
  assert.equal(await serial(), serialOf(pairs[0]));
  const before = served();
  await eventually("more requests came after the last reload", () => served() > before + 2);
  running = false;
  await Promise.all(clients);
  await tell("after");
  await tell("");
  assert.equal((await download).text, "before round 1 round 2 round 3 round 4 round 5 round 6 after");
  assert.deepEqual(failed, []);
  assert.ok(served() > 10, `${served()} requests`);
  const codes = kept().map(({ fields }) => fields.code);
  assert.deepEqual(codes, [...new Array(12).fill("certificate_unusable"), "secret_file_unreadable"]);
  assert.ok(kept().every(({ level }) => level === "error"));
  assert.match(
    String(kept()[0].fields.reason),
    /edge\.key: it does not belong to the certificate in .*edge\.pem$/,
  );
});
