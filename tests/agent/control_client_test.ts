import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { type Network, parseProxyUrl, systemClock, systemNetwork } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import { ControlClient } from "../../agent/control_client.ts";
import { CONTROL_TIMEOUT_MS, MAX_ANSWER_BYTES } from "../../agent/control_requests.ts";
import { freePort } from "./origins.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const never = new AbortController().signal;
const KEY = "A".repeat(43);
const CREATE = { preferred_transports: ["wss"], protocol: "http", weight: 1 } as const;
const CREATED = {
  tunnel_id: "tun_1",
  public_hostname: "demo.example",
  candidates: [{
    edge_id: "edge-1",
    edge_url: "ws://127.0.0.1:1",
    supported_transport: "wss",
    edge_public_key: KEY,
    region: "here",
  }],
  ephemeral_token: "ephemeral-token-1",
  unknown_field: true,
};

interface Seen {
  method: string;
  path: string;
  authorization: string | null;
  body: unknown;
}

/** Control as a function; what was asked is kept. */
async function withControl(
  answer: () => Response | Promise<Response>,
  use: (client: ControlClient, seen: Seen[]) => Promise<void>,
  options: { token?: string; path?: string; clock?: Clock } = {},
): Promise<void> {
  const seen: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    seen.push({
      method: request.method,
      path: request.url.replace(/^http:\/\/[^/]*/, ""),
      authorization: request.headers.get("Authorization"),
      body: await request.json(),
    });
    return await answer();
  });
  const client = new ControlClient({
    url: `http://control.localhost:${server.addr.port}${options.path ?? ""}`,
    clock: options.clock ?? systemClock,
    token: () => Promise.resolve(options.token),
  });
  try {
    await use(client, seen);
  } finally {
    client.close();
    await server.shutdown();
  }
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ type: "x", title: "No", status, code, detail: `because ${code}` }, {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

async function failureOf(work: Promise<unknown>): Promise<PosternError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error));
    return error;
  }
  throw new Error("it did not fail");
}

Deno.test("ControlClient.create() posts JSON below the base URL, with the management token as bearer only", async () => {
  await withControl(() => Response.json(CREATED), async (client, seen) => {
    const answer = await client.create({ ...CREATE, requested_name: "demo" }, never);
    assert.equal(answer.candidates[0].edge_public_key, KEY);
    assert.deepEqual(seen, [{
      method: "POST",
      path: "/base/tunnels/create",
      authorization: "Bearer management-secret",
      body: { ...CREATE, requested_name: "demo" },
    }]);
  }, { token: "management-secret", path: "/base" });
});

Deno.test("ControlClient attests without the management token", async () => {
  const answers = [
    { challenge_id: "c1", authority_nonce: KEY, policy_version: "default@1", expires_at: "x" },
    { stage1_token: "stage-1-token-0001" },
    { tunnel_id: "tun_1", deleted: true },
  ];
  await withControl(() => Response.json(answers.shift()), async (client, seen) => {
    const request = {
      stage0_token: "t",
      session_nonce: KEY,
      handshake_hash: KEY,
      agent_static: KEY,
      agent_id: "agent-1",
    };
    await client.challenge({ ...request, purpose: "channel-open", reauth_version: 1 }, never);
    await client.evidence({ challenge_id: "c1", evidence: { kind: "bound-key" } }, never);
    await client.delete({ tunnel_id: "tun_1" }, never);
    assert.deepEqual(seen.map(({ path, authorization }) => [path, authorization]), [
      ["/attest/challenge", null],
      ["/attest/evidence", null],
      ["/tunnels/delete", "Bearer management-secret"],
    ]);
  }, { token: "management-secret" });
});

Deno.test("ControlClient throws the code that control names, with its Retry-After", async () => {
  await withControl(() => problem(429, "rate_limited", { "Retry-After": "7" }), async (client) => {
    const error = await failureOf(client.create(CREATE, never));
    assert.equal(error.code, "rate_limited");
    assert.equal(error.message, "because rate_limited");
    assert.equal(error.detail.retry_after_ms, 7_000);
    assert.equal(error.retryable, true);
  });
  await withControl(() => problem(409, "name_taken"), async (client) => {
    assert.equal((await failureOf(client.create(CREATE, never))).code, "name_taken");
  });
});

Deno.test("ControlClient tells control_refused from control_unavailable where it does not know the code", async () => {
  for (
    const [status, expected] of [[403, "control_refused"], [503, "control_unavailable"], [
      500,
      "control_unavailable",
    ]] as const
  ) {
    await withControl(() => problem(status, "from_the_future"), async (client) => {
      const error = await failureOf(client.create(CREATE, never));
      assert.equal(error.code, expected);
      assert.equal(error.detail.code, "from_the_future");
    });
  }
});

Deno.test("ControlClient does not follow redirects: control_redirected", async () => {
  await withControl(
    () => new Response(null, { status: 307, headers: { Location: "http://127.0.0.1:1/" } }),
    async (client, seen) => {
      assert.equal((await failureOf(client.create(CREATE, never))).code, "control_redirected");
      assert.equal(seen.length, 1);
    },
  );
});

Deno.test("ControlClient refuses answers that are too long, no JSON or no answer: control_response_invalid", async () => {
  for (
    const body of [
      "x".repeat(MAX_ANSWER_BYTES + 1),
      "<html>login</html>",
      "{}",
      JSON.stringify({
        ...CREATED,
        candidates: [],
      }),
    ]
  ) {
    await withControl(() => new Response(body), async (client) => {
      assert.equal((await failureOf(client.create(CREATE, never))).code, "control_response_invalid");
    });
  }
});

Deno.test("ControlClient gives up after ten seconds with control_timeout, and at once when told to", async () => {
  const clock = new VirtualClock();
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await withControl(
    async () => {
      asked.resolve();
      await gate.promise;
      return Response.json(CREATED);
    },
    async (client) => {
      const late = failureOf(client.create(CREATE, never));
      await asked.promise;
      await clock.advanceAsync(CONTROL_TIMEOUT_MS);
      assert.equal((await late).code, "control_timeout");
      const stop = new AbortController();
      const stopped = failureOf(client.create(CREATE, stop.signal));
      stop.abort();
      assert.equal((await stopped).code, "connect_aborted");
      gate.resolve();
    },
    { clock },
  );
});

Deno.test("ControlClient says control_unreachable when nothing answers", async () => {
  const url = `http://127.0.0.1:${freePort()}`;
  const client = new ControlClient({ url, clock: systemClock });
  const { code, message } = await failureOf(client.create(CREATE, never));
  assert.equal(code, "control_unreachable");
  assert.equal(message, `Cannot reach control at ${url}: connection refused`);
  client.close();
});

Deno.test("ControlClient trusts the configured authority for https, and no other", async () => {
  await using authority = await CertificateAuthority.make();
  const { cert, key } = await authority.issue({ names: ["DNS:localhost"] });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert, key, onListen() {} },
    () => Response.json(CREATED),
  );
  const url = `https://localhost:${server.addr.port}`;
  const trusting = new ControlClient({ url, clock: systemClock, caCerts: [authority.ca.cert] });
  assert.equal((await trusting.create(CREATE, never)).tunnel_id, "tun_1");
  trusting.close();
  const strange = new ControlClient({ url, clock: systemClock });
  const refusal = await failureOf(strange.create(CREATE, never));
  assert.equal(refusal.code, "control_unreachable");
  assert.match(refusal.message, /: invalid certificate: UnknownIssuer; a CA file \(--ca-file\)/);
  strange.close();
  await server.shutdown();
  assert.throws(
    () => new ControlClient({ url, clock: systemClock, caCerts: ["no certificate"] }),
    (error: PosternError) => error.code === "ca_certificates_invalid",
  );
});

/** One connection: reads `requests` of them, each in one piece, and answers each with the bytes. */
function scripted(answers: readonly string[]) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const lines: string[] = [];
  const serving = (async () => {
    for await (const conn of listener) {
      const buffer = new Uint8Array(65_536);
      const answer = answers[lines.length];
      const read = await conn.read(buffer) ?? 0;
      lines.push(utf8Decode(buffer.subarray(0, read)).split("\r\n")[0]);
      if (answer !== undefined) await conn.write(utf8(answer));
      conn.close();
    }
  })();
  const close = async () => {
    listener.close();
    await serving;
  };
  return { port: listener.addr.port, lines, close };
}

const CREATED_ANSWER = `HTTP/1.1 200 OK\r\nContent-Length: ${JSON.stringify(CREATED).length}\r\n\r\n${
  JSON.stringify(CREATED)
}`;

Deno.test("ControlClient keeps its connection, and makes another when the kept one was closed meanwhile", async () => {
  // Says nothing about closing, and closes.
  const server = scripted([CREATED_ANSWER, CREATED_ANSWER]);
  const client = new ControlClient({ url: `http://127.0.0.1:${server.port}`, clock: systemClock });
  assert.equal((await client.create(CREATE, never)).tunnel_id, "tun_1");
  assert.equal((await client.create(CREATE, never)).tunnel_id, "tun_1");
  assert.equal(server.lines.length, 2);
  client.close();
  await server.close();
  let connections = 0;
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json(CREATED),
  );
  const network: Network = {
    ...systemNetwork,
    connect: (options) => (connections++, systemNetwork.connect(options)),
  };
  const keeping = new ControlClient({
    url: `http://127.0.0.1:${listener.addr.port}`,
    clock: systemClock,
    network,
  });
  for (let i = 0; i < 3; i++) await keeping.create(CREATE, never);
  assert.equal(connections, 1);
  keeping.close();
  await listener.shutdown();
});

Deno.test("ControlClient tells a broken answer from none: control_response_invalid, control_unreachable", async () => {
  for (
    const [answer, code] of [
      ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "control_response_invalid"],
      ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "control_response_invalid"],
      ["", "control_unreachable"],
    ] as const
  ) {
    const server = scripted([answer]);
    const client = new ControlClient({ url: `http://127.0.0.1:${server.port}`, clock: systemClock });
    assert.equal((await failureOf(client.create(CREATE, never))).code, code);
    client.close();
    await server.close();
  }
});

Deno.test("ControlClient asks through the proxy, and says what the proxy refuses", async () => {
  const proxy = scripted(["HTTP/1.1 407 No\r\n\r\n"]);
  const client = new ControlClient({
    url: "http://control.invalid/base",
    clock: systemClock,
    proxyFor: () => Promise.resolve(parseProxyUrl(`http://127.0.0.1:${proxy.port}`)),
  });
  assert.equal((await failureOf(client.create(CREATE, never))).code, "proxy_auth_required");
  assert.deepEqual(proxy.lines, ["CONNECT control.invalid:80 HTTP/1.1"]);
  client.close();
  await proxy.close();
});
