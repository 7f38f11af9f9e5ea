import assert from "node:assert/strict";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { derivePassword, formatPasswordHash, parsePasswordHash } from "../../src/crypto/mod.ts";
import { Process } from "../support/process.ts";
import { SOURCE_PROGRAM } from "../support/stack_processes.ts";
import { Http2Client } from "../support/http2_client.ts";
import { TempDir } from "../support/temp_dir.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, metricOf, startStack } from "../support/stack.ts";

/** Answers 200 to every request and keeps the heads that it saw. */
function recorder(heads: string[] = []): RawOrigin {
  return RawOrigin.start(async (socket) => {
    for (;;) {
      heads.push(await socket.through("\r\n\r\n"));
      await socket.send("HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Length: 2\r\n\r\nok");
    }
  });
}

Deno.test("a viewer from a denied address gets 403, one beside it is served, and no stream is opened for the first", async () => {
  await using origin = recorder();
  await using stack = await startStack({
    services: [{
      name: "web",
      target: origin.target,
      "rules.allow": "127.0.0.0/8",
      "rules.deny": "127.0.0.2",
    }],
  });
  const from = (address: string) =>
    curl(stack.url("web"), {
      args: ["--interface", address],
      connectTo: { [stack.host("web")]: stack.port },
    });
  const refused = await from("127.0.0.2");
  assert.equal(refused.status, 403);
  assert.equal(JSON.parse(refused.text).code, "address_denied");
  assert.equal(origin.connections, 0);
  assert.equal((await from("127.0.0.3")).status, 200);
  assert.equal(
    metricOf(await stack.metrics(), 'postern_refusals_total{code="address_denied",layer="http"}'),
    1,
  );
  const line = stack.lines.find(({ fields }) => fields.code === "address_denied");
  assert.equal(line?.event, "request refused");
});

Deno.test("a denied viewer of a tcp service is closed without a byte, and the origin sees nothing", async () => {
  await using origin = RawOrigin.start((socket) => socket.send("hello"));
  await using stack = await startStack({
    services: [{
      name: "raw",
      protocol: "tcp",
      target: origin.target,
      "rules.deny": "127.0.0.2,::ffff:127.0.0.4",
    }],
  });
  const { tcp_ports: [port] } = stack.plane.status().sessions[0];
  const read = async (address: string) => {
    const { text, code } = await curl(`telnet://127.0.0.1:${port}`, { args: ["--interface", address] });
    return code === 0 ? text : `curl ${code}`;
  };
  assert.equal(await read("127.0.0.2"), "");
  assert.equal(await read("127.0.0.4"), "");
  assert.equal(origin.connections, 0);
  assert.equal(await read("127.0.0.3"), "hello");
  assert.equal(
    metricOf(await stack.metrics(), 'postern_refusals_total{code="address_denied",layer="listener"}'),
    2,
  );
});

Deno.test("requests above the rate get 429 with Retry-After, over one address and over all, websockets as well", async () => {
  await using origin = recorder();
  await using stack = await startStack({
    services: [
      { name: "web", target: origin.target, "rules.rate_per_address": "2/h" },
      { name: "all", target: origin.target, "rules.rate": "1/h", "rules.burst": "3" },
    ],
  });
  const ask = (name: string, from: string, ...args: string[]) =>
    curl(stack.url(name), {
      args: ["--interface", from, ...args],
      connectTo: { [stack.host(name)]: stack.port },
    });
  assert.equal((await ask("web", "127.0.0.2")).status, 200);
  assert.equal((await ask("web", "127.0.0.2")).status, 200);
  const limited = await ask("web", "127.0.0.2");
  assert.equal(limited.status, 429);
  assert.equal(JSON.parse(limited.text).code, "request_rate_limited");
  const seconds = Number(limited.headers.get("retry-after"));
  assert.ok(seconds > 1_700 && seconds <= 1_800, `${seconds}`);
  const upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
  const websocket = await ask("web", "127.0.0.2", ...upgrade.flatMap((line) => ["-H", line]));
  assert.equal(websocket.status, 429);
  assert.equal((await ask("web", "127.0.0.3")).status, 200);
  for (const from of ["127.0.0.4", "127.0.0.5", "127.0.0.6"]) {
    assert.equal((await ask("all", from)).status, 200);
  }
  assert.equal((await ask("all", "127.0.0.7")).status, 429);
  assert.equal(
    metricOf(await stack.metrics(), 'postern_refusals_total{code="request_rate_limited",layer="http"}'),
    3,
  );
});

Deno.test("new connections to a tcp service above its rate are closed", async () => {
  await using origin = RawOrigin.start((socket) => socket.send("hello"));
  await using stack = await startStack({
    services: [{ name: "raw", protocol: "tcp", target: origin.target, "rules.rate_per_address": "2/h" }],
  });
  const { tcp_ports: [port] } = stack.plane.status().sessions[0];
  const read = async () => (await curl(`telnet://127.0.0.1:${port}`)).text;
  assert.deepEqual([await read(), await read(), await read()], ["hello", "hello", ""]);
  assert.equal(
    metricOf(
      await stack.metrics(),
      'postern_refusals_total{code="connection_rate_limited",layer="listener"}',
    ),
    1,
  );
});

Deno.test("the edge's own lists and rate close a connection before a byte is read, and ask for whom a proxy speaks", async () => {
  await using origin = recorder();
  await using stack = await startStack({
    edge: {
      "access.deny": "127.0.0.2,203.0.113.0/24",
      "limits.connection_rate_per_address": "3/h",
      trusted_proxies: "127.0.0.9,127.0.0.1",
    },
    services: [{ name: "web", target: origin.target }],
  });
  const ask = async (from: string, forwarded?: string, host = stack.host("web")) => {
    const { code, status, text } = await curl(`http://${host}/`, {
      args: [
        "--interface",
        from,
        ...(forwarded === undefined ? [] : ["-H", `X-Forwarded-For: ${forwarded}`]),
      ],
      connectTo: { [host]: stack.port },
    });
    return code === 0 ? `${status} ${status === 403 ? JSON.parse(text).code : ""}`.trim() : "closed";
  };
  assert.equal(await ask("127.0.0.2"), "closed");
  assert.deepEqual([await ask("127.0.0.3"), await ask("127.0.0.3"), await ask("127.0.0.3")], [
    "200",
    "200",
    "200",
  ]);
  assert.equal(await ask("127.0.0.3"), "closed");
  assert.equal(await ask("127.0.0.9", "203.0.113.7"), "403 address_denied");
  assert.equal(await ask("127.0.0.9", "203.0.113.7", `localhost:${stack.port}`), "403 address_denied");
  for (let n = 0; n < 5; n++) assert.equal(await ask("127.0.0.9", "198.51.100.7"), "200");
  const metrics = await stack.metrics();
  const refused = (code: string, layer: string) =>
    metricOf(metrics, `postern_refusals_total{code="${code}",layer="${layer}"}`);
  assert.equal(refused("address_denied", "listener"), 1);
  assert.equal(refused("connection_rate_limited", "listener"), 1);
  assert.equal(refused("address_denied", "http"), 2);
});

Deno.test("rules of a newer registration hold from the next request on, also on a connection that stands", async () => {
  await using origin = recorder();
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  const { tunnel_id } = stack.plane.status().sessions[0];
  using socket = await stack.connect();
  await socket.get(stack.host("web"));
  assert.equal((await socket.response()).status, 200);
  stack.plane.holdRules(tunnel_id, { revision: 1, value: '{"deny":["127.0.0.1"]}' });
  await socket.get(stack.host("web"));
  assert.equal((await socket.response()).status, 403);
  stack.plane.holdRules(tunnel_id, { revision: 2, value: "{}" });
  await socket.get(stack.host("web"));
  assert.equal((await socket.response()).status, 200);
});

Deno.test("two agents of one name: the rules of the newer registration hold for both", async () => {
  await using origin = recorder();
  await using stack = await startStack({ edge: { anonymous_tunnels: "true" } });
  const token = stack.edge.tokenPath;
  const service = { name: "web", target: origin.target };
  await stack.addAgent([{ ...service, "rules.deny": "127.0.0.1" }], { token_file: token });
  assert.equal((await stack.fetch("web")).status, 403);
  await stack.addAgent([service], { token_file: token });
  for (let request = 0; request < 4; request++) {
    const response = await stack.fetch("web");
    assert.equal(response.status, 200);
    await response.body?.cancel();
  }
  const changes = stack.lines.filter(({ event }) => event === "rules of a service changed");
  assert.equal(changes.length, 1);
});

Deno.test("postern hash-password makes a line from standard input, and says what it cannot hash", async () => {
  await using folder = await TempDir.make("hash");
  const run = async (stdin: string, ...words: string[]) => {
    const { code, stdout, stderr } = await Process.run(SOURCE_PROGRAM[0], {
      args: [...SOURCE_PROGRAM.slice(1), "hash-password", ...words],
      cwd: folder.path,
      stdin,
    });
    return { code, stdout, stderr };
  };
  const first = await run("open sesame\r\nignored\n", "ann");
  assert.match(first.stdout, /^ann:\$scrypt\$ln=14,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}\n$/);
  const parsed = parsePasswordHash(first.stdout.trim().slice("ann:".length))!;
  assert.deepEqual(await derivePassword("open sesame", parsed), parsed.hash);
  const empty = await run("\n");
  assert.equal(empty.code, 2);
  assert.ok(empty.stderr.includes("password_unusable"));
  assert.equal((await run("x".repeat(513))).code, 2);
  assert.match((await run("x", "a:b")).stderr, /cli_argument_unexpected/);
});

/** A file of users with one, whose password is `open: sesame`. */
async function usersFile(folder: TempDir): Promise<string> {
  const salt = new Uint8Array(16).fill(9);
  const hash = formatPasswordHash({
    logN: 14,
    salt,
    hash: await derivePassword("open: sesame", { logN: 14, salt }),
  });
  const path = await folder.write("users", `# people\nann:${hash}\n`);
  await Deno.chmod(path, 0o600);
  return path;
}

Deno.test("a service with users asks for a password, keeps it to itself, and holds it for upgrades as well", async () => {
  await using folder = await TempDir.make("users");
  const heads: string[] = [];
  await using origin = recorder(heads);
  await using stack = await startStack({
    services: [{
      name: "web",
      target: origin.target,
      "rules.basic_auth.file": await usersFile(folder),
      "rules.basic_auth.realm": "Shop",
    }],
  });
  const ask = (...args: string[]) =>
    curl(stack.url("web"), { args, connectTo: { [stack.host("web")]: stack.port } });
  const challenged = await ask();
  assert.equal(challenged.status, 401);
  assert.equal(challenged.headers.get("www-authenticate"), 'Basic realm="Shop", charset="UTF-8"');
  assert.equal(JSON.parse(challenged.text).code, "credentials_required");
  const refused = await ask("--user", "ann:wrong");
  assert.equal(refused.status, 401);
  assert.equal(JSON.parse(refused.text).code, "credentials_refused");
  const upgrade = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: eA==",
  ];
  assert.equal((await ask(...upgrade.flatMap((line) => ["-H", line]))).status, 401);
  assert.equal((await ask("--data", "body", "--user", "ann:wrong")).status, 401);
  assert.equal(origin.connections, 0);
  assert.equal((await ask("--user", "ann:open: sesame")).status, 200);
  assert.equal((await ask("--user", "ann:open: sesame", "-H", "X-Kept: 1")).status, 200);
  assert.equal(heads.length, 2);
  assert.match(heads[1], /\r\nX-Kept: 1\r\n/);
  for (const head of heads) assert.doesNotMatch(head, /authorization/i);

  for (let n = 0; n < 9; n++) await ask("--user", `ann:${n}`);
  const limited = await ask("--user", "ann:again");
  assert.equal(limited.status, 429);
  assert.equal(JSON.parse(limited.text).code, "credentials_rate_limited");
  assert.ok(Number(limited.headers.get("retry-after")) > 0);
  assert.equal((await ask("--user", "ann:open: sesame")).status, 200, "who was admitted before still is");

  const metrics = await stack.metrics();
  const counted = (code: string) => metricOf(metrics, `postern_refusals_total{code="${code}",layer="http"}`);
  assert.ok(counted("credentials_required") >= 2 && counted("credentials_refused") >= 10);
  assert.equal(counted("credentials_rate_limited") >= 1, true);
  const lines = JSON.stringify(stack.lines);
  for (const secret of ["sesame", "scrypt", "wrong", btoa("ann:wrong")]) {
    assert.ok(!lines.includes(secret), secret);
  }
});

Deno.test("rules of a service change fields of requests and responses, and nothing that frames them", async () => {
  const heads: string[] = [];
  await using origin = recorder(heads);
  await using stack = await startStack({
    services: [{
      name: "web",
      target: origin.target,
      host_header: "shop.internal:81",
      "rules.request_headers.remove": "cookie,X-Gone",
      "rules.request_headers.set": "X-Env: prod\nAuthorization: Bearer of-the-origin",
      "rules.request_headers.add": "X-Env: second",
      "rules.response_headers.remove": "server",
      "rules.response_headers.set": "Strict-Transport-Security: max-age=60\nX-Empty:",
    }],
  });
  const { status, text, headers } = await curl(stack.url("web"), {
    args: ["-H", "Cookie: a=b", "-H", "X-Env: viewer", "-H", "X-Gone: 1", "-H", "Authorization: Basic eA=="],
    connectTo: { [stack.host("web")]: stack.port },
  });
  assert.equal(status, 200);
  assert.equal(text, "ok");
  assert.equal(headers.get("server"), null);
  assert.equal(headers.get("strict-transport-security"), "max-age=60");
  assert.equal(headers.get("x-empty"), "");
  assert.equal(headers.get("content-length"), "2");
  const lines = heads[0].split("\r\n");
  assert.deepEqual(lines.filter((line) => /^(cookie|x-gone)/i.test(line)), []);
  assert.deepEqual(lines.filter((line) => /^(x-env|authorization|host):/i.test(line)).sort(), [
    "Authorization: Bearer of-the-origin",
    "Host: shop.internal:81",
    "X-Env: prod",
    "X-Env: second",
  ]);
});

Deno.test("a changed file of users counts from the agent's next registration on", async () => {
  await using folder = await TempDir.make("users");
  await using origin = recorder();
  const path = await usersFile(folder);
  await using stack = await startStack({
    services: [{ name: "web", target: origin.target, "rules.basic_auth.file": path }],
  });
  const ask = async (user: string) =>
    (await curl(stack.url("web"), {
      args: ["--user", user],
      connectTo: { [stack.host("web")]: stack.port },
    })).status;
  assert.equal(await ask("ann:open: sesame"), 200);
  await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace("ann:", "bob:"));
  assert.equal(await ask("ann:open: sesame"), 200);
  stack.agent.reconnect();
  await eventually("bob is let in", async () => await ask("bob:open: sesame") === 200);
  assert.equal(await ask("ann:open: sesame"), 401);
});

Deno.test("rules hold for HTTP/2 as they do for HTTP/1.1", async () => {
  await using folder = await TempDir.make("users");
  const heads: string[] = [];
  await using origin = recorder(heads);
  await using ca = await CertificateAuthority.make();
  const { certPath, keyPath } = await ca.issue({
    names: ["localhost", "people.localhost", "denied.localhost", "few.localhost"].map((name) =>
      `DNS:${name}`
    ),
    usage: "serverAuth",
  });
  await using stack = await startStack({
    edge: { "tls.cert_file": certPath, "tls.key_file": keyPath },
    agent: { ca_file: ca.ca.certPath },
  });
  const service = { target: origin.target };
  await stack.addAgent([
    {
      ...service,
      name: "people",
      "rules.basic_auth.file": await usersFile(folder),
      "rules.response_headers.remove": "Server",
    },
    { ...service, name: "denied", "rules.deny": "127.0.0.0/8" },
    { ...service, name: "few", "rules.rate": "1/h" },
  ], { control: `https://localhost:${stack.port}` });
  const ask = async (name: string, ...args: string[]) => {
    const answer = await curl(`https://${stack.host(name)}/`, {
      args: ["--http2", "--cacert", ca.ca.certPath, ...args],
      connectTo: { [stack.host(name)]: stack.port },
    });
    assert.equal(answer.httpVersion, "2", answer.stderr);
    return answer;
  };
  const challenged = await ask("people");
  assert.equal(challenged.status, 401);
  assert.match(challenged.headers.get("www-authenticate") ?? "", /^Basic realm=/);
  assert.equal((await ask("people", "--user", "ann:wrong")).status, 401);
  const admitted = await ask("people", "--user", "ann:open: sesame");
  assert.deepEqual([admitted.status, admitted.headers.get("server")], [200, null]);
  assert.doesNotMatch(heads.join(""), /authorization/i);
  assert.equal((await ask("denied")).status, 403);
  assert.equal((await ask("few")).status, 200);
  const limited = await ask("few");
  assert.equal(limited.status, 429);
  assert.ok(Number(limited.headers.get("retry-after")) > 3_000);
});

Deno.test("what a rule sets or removes does not come by trailers or interim heads either, over HTTP/1.1 and HTTP/2", async () => {
  const sections: string[] = [];
  await using origin = RawOrigin.start(async (socket) => {
    for (;;) {
      await socket.through("\r\n\r\n");
      sections.push(await socket.through("\r\n\r\n"));
      await socket.send(
        "HTTP/1.1 103 Early Hints\r\nX-Secret: early\r\nX-Hint: 1\r\n\r\n" +
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Secret: late\r\nX-Sum: 1\r\n\r\n",
      );
    }
  });
  await using stack = await startStack({
    edge: { h2c_from: "127.0.0.0/8" },
    services: [{
      name: "web",
      target: origin.target,
      "rules.request_headers.remove": "X-Role",
      "rules.request_headers.set": "X-User: nobody",
      "rules.response_headers.remove": "X-Secret",
    }],
  });
  const trailers = [["x-role", "admin"], ["x_user", "root"], ["x-sum", "1"]] as const;
  using viewer = await stack.connect();
  await viewer.send(
    `POST / HTTP/1.1\r\nHost: ${stack.host("web")}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n` +
      trailers.map(([name, value]) => `${name}: ${value}\r\n`).join("") + "\r\n",
  );
  const hint = await viewer.through("\r\n\r\n");
  const answer = await viewer.through("0\r\n") + await viewer.through("\r\n\r\n");
  assert.match(hint, /x-hint: 1/i);
  assert.match(answer, /x-sum: 1/i);
  assert.doesNotMatch(hint + answer, /secret/i);
  using client = await Http2Client.connect(stack.port);
  const stream = await client.request([
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", stack.host("web")],
    [":path", "/"],
  ], false);
  await client.data(stream, "hi");
  await client.trailers(stream, [...trailers]);
  const { blocks } = await client.over(stream);
  assert.deepEqual([blocks[0]["x-hint"], blocks[2]["x-sum"]], ["1", "1"]);
  assert.doesNotMatch(JSON.stringify(blocks), /secret/i);
  assert.equal(sections.length, 2);
  for (const section of sections) {
    assert.match(section, /x-sum: 1/i);
    assert.doesNotMatch(section, /admin|root/);
  }
});
