import assert from "node:assert/strict";
import { systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { type EdgeCandidate, ForeignAuthorizer } from "../support/foreign_authorizer.ts";
import { LoopbackServer } from "../support/loopback_server.ts";
import { RogueAgent } from "../support/rogue_agent.ts";
import { eventually, metricOf, type Settings, type Stack, startStack, within } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";
import { TempDir } from "../support/temp_dir.ts";

const origin = () => new LoopbackServer(() => new Response("from behind\n"));

/** An edge with settings that depend on an authorizer, which sends its agents to that edge. */
async function edgeFor(
  use: (stack: Stack, authorizer: ForeignAuthorizer) => Promise<void>,
  settings: (authorizer: ForeignAuthorizer, folder: TempDir) => Settings | Promise<Settings>,
): Promise<void> {
  await using folder = await TempDir.make("foreign");
  const candidates: EdgeCandidate[] = [];
  await using authorizer = new ForeignAuthorizer(candidates, "shop.localhost");
  await using stack = await startStack({ edge: await settings(authorizer, folder) });
  await using rogue = new RogueAgent(stack);
  candidates.push(...(await rogue.create()).candidates);
  await use(stack, authorizer);
}

const remote = (authorizer: ForeignAuthorizer): Settings => ({
  "tokens.verification": "remote-then-local",
  "tokens.verifier_url": authorizer.verifier.url,
  "tokens.verifier_issuers": authorizer.issuer,
  "tokens.verifier_retries": "0",
  "tokens.verifier_timeout": "2s",
});

async function answers(stack: Stack, status: number): Promise<boolean> {
  const response = await stack.fetch("shop");
  await response.body?.cancel();
  return response.status === status;
}

Deno.test("an edge with a remote verifier: refused while it is gone, served when it is back, others never touched", async () => {
  await using behind = origin();
  await edgeFor(async (stack, authorizer) => {
    const services = [{ name: "shop", target: `127.0.0.1:${behind.port}` }];
    const agent = await stack.addAgent(services, { control: authorizer.controlUrl });
    assert.equal(await (await stack.fetch("shop")).text(), "from behind\n");
    const [session] = stack.plane.status().sessions;
    assert.match(session.tunnel_id, /^x-.{12}:backend-1$/);
    assert.equal(session.tier, "bound-key");

    await authorizer.verifier.kill();
    assert.ok(await answers(stack, 200), "what was verified goes on");
    const [{ channel }] = stack.plane.sessions.ofTunnel(session.tunnel_id);
    channel.close(new PosternError("channel_closed"), systemClock.now());
    await eventually("the agent is refused", async () => {
      const page = await stack.metrics();
      return metricOf(
        page,
        'postern_token_verifications_total{source="remote",result="token_verifier_unavailable"}',
      ) > 5;
    });
    const page = await stack.metrics();
    assert.equal(metricOf(page, 'postern_token_verifier_state{state="closed"}'), 0);
    assert.ok(metricOf(page, 'postern_token_verifier_requests_total{outcome="unreachable"}') >= 5);
    // Tokens of the edge's own control are none of the verifier's business.
    await stack.addAgent([{ name: "own", target: `127.0.0.1:${behind.port}` }]);
    assert.equal(await (await stack.fetch("own")).text(), "from behind\n");

    authorizer.verifier.start();
    await eventually("it is served again", () => answers(stack, 200), 30_000);
    assert.equal(metricOf(await stack.metrics(), 'postern_token_verifier_state{state="closed"}'), 1);
    assert.equal(agent.status().services[0].state, "online");
    const logged = JSON.stringify(stack.lines);
    assert.ok(!/eyJ[A-Za-z0-9_-]{20}/.test(logged), "no token is logged");
  }, remote);
});

Deno.test("agents of another authorizer prove themselves anew, and are cut when its verifier cannot be asked then", async () => {
  await using behind = origin();
  await edgeFor(async (stack, authorizer) => {
    authorizer.reauthSeconds = 1;
    await stack.addAgent([{ name: "shop", target: `127.0.0.1:${behind.port}` }], {
      control: authorizer.controlUrl,
    });
    const [{ session_id }] = stack.plane.status().sessions;
    const succeeded = async () =>
      metricOf(await stack.metrics(), 'postern_reauth_total{result="succeeded",code="none"}');
    await eventually("it proves itself twice more", async () => await succeeded() >= 2);
    assert.equal(stack.plane.status().sessions[0].session_id, session_id, "on the same channel");
    await authorizer.verifier.kill();
    await eventually(
      "its channel is cut",
      () => stack.plane.status().sessions.every((session) => session.session_id !== session_id),
    );
    const failed = 'postern_reauth_total{result="failed",code="token_verifier_unavailable"}';
    assert.equal(metricOf(await stack.metrics(), failed), 1);
    authorizer.verifier.start();
    await eventually("it is served again", () => answers(stack, 200), 30_000);
  }, remote);
});

Deno.test("an edge that takes another issuer's tokens by their secret holds them to its own domain, and each to one use", async () => {
  await using behind = origin();
  await edgeFor(async (stack, authorizer) => {
    const services = [{ name: "shop", target: `127.0.0.1:${behind.port}` }];
    await stack.addAgent(services, { control: authorizer.controlUrl });
    assert.equal(await (await stack.fetch("shop")).text(), "from behind\n");

    await using rogue = new RogueAgent(stack);
    const created = await rogue.create();
    const refusals: [Record<string, unknown>, string][] = [
      [{ hostnames: ["shop.elsewhere.example"] }, "token_hostname_foreign"],
      [{ tcp_ports: [22] }, "token_port_foreign"],
      [{ sub: "backend-2" }, "token_route_taken"],
      [{ hostnames: [created.public_hostname] }, "token_route_taken"],
      [{ iss: "https://localhost" }, "token_unknown_key"],
      [{ iss: "https://third.example" }, "token_wrong_issuer"],
    ];
    for (const [claims, code] of refusals) {
      const knock = await rogue.knock(
        created,
        await authorizer.sign("stage0", claims),
        () => new Promise(() => {}),
      );
      assert.equal(await within(10_000, code, knock.ended, stack.lines), code);
    }
    // What is the subject's cannot be taken from within either.
    const taken = await rogue.post("/tunnels/create", { requested_name: "shop" });
    assert.equal((await taken.json()).code, "name_taken");

    const token = await authorizer.sign("stage0");
    const first = await rogue.knock(created, token, () => new Promise(() => {}));
    const second = await rogue.knock(created, token, () => new Promise(() => {}));
    assert.equal(
      await within(10_000, "one use", Promise.race([first.ended, second.ended])),
      "token_replayed",
    );
    assert.ok(await answers(stack, 200), "the agent that was there is there");

    const [{ session_id, tunnel_id }] = stack.plane.status().sessions;
    const operator = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
    const revoked = await rogue.post("/auth/token/revoke", { owner: tunnel_id }, {
      authorization: `Bearer ${operator}`,
    });
    assert.deepEqual(await revoked.json(), { revoked: true, tunnels: 0, known: true });
    await eventually(
      "its channel is cut",
      () => stack.plane.status().sessions.every((session) => session.session_id !== session_id),
    );
    assert.ok(
      stack.lines.some(({ fields }) => fields.session_id === session_id && fields.code === "token_revoked"),
    );
  }, async (authorizer, folder) => {
    const path = folder.file("secret");
    await Deno.writeTextFile(path, authorizer.secret, { mode: 0o600 });
    return { "tokens.hmac_secret_file": path, "tokens.hmac_issuers": authorizer.issuer };
  });
});

Deno.test("a secret is changed without a refused agent: both in the file, then the new one alone", async () => {
  let write: (...secrets: string[]) => Promise<void>;
  await edgeFor(async (stack, authorizer) => {
    await using rogue = new RogueAgent(stack);
    const created = await rogue.create();
    const outcome = async () => {
      const challenged = Promise.withResolvers<string>();
      const knock = await rogue.knock(created, await authorizer.sign("stage0"), () => {
        challenged.resolve("taken");
        return new Promise(() => {});
      });
      return await within(10_000, "a verdict", Promise.race([challenged.promise, knock.ended]), stack.lines);
    };
    const [old, fresh] = [authorizer.secret, "another secret of thirty-two bytes or more"];
    assert.equal(await outcome(), "taken");
    authorizer.secret = fresh;
    assert.equal(await outcome(), "token_bad_signature");
    await write(fresh, old);
    await stack.edge.reload();
    assert.equal(await outcome(), "taken");
    authorizer.secret = old;
    assert.equal(await outcome(), "taken");
    await write(fresh);
    await stack.edge.reload();
    assert.equal(await outcome(), "token_bad_signature");
  }, async (authorizer, folder) => {
    const path = folder.file("secret");
    write = (...secrets) => Deno.writeTextFile(path, secrets.join("\n"), { mode: 0o600 });
    await write(authorizer.secret);
    return { "tokens.hmac_secret_file": path, "tokens.hmac_issuers": authorizer.issuer };
  });
});

Deno.test("an edge starts with good secrets and keys only, and keeps them through a reload that fails", async () => {
  await using folder = await TempDir.make("secrets");
  const path = folder.file("secret");
  const settings = { "tokens.hmac_secret_file": path, "tokens.hmac_issuers": "nexus" };
  const write = async (text: string) => {
    await Deno.writeTextFile(path, text);
    await Deno.chmod(path, 0o600);
  };
  await write("short");
  await assert.rejects(startStack({ edge: settings }), { code: "hmac_secret_weak" });
  await assert.rejects(
    startStack({ edge: { "tokens.jwks_file": path, "tokens.jwks_issuers": "other" } }),
    { code: "jwks_invalid" },
  );
  await write("two words");
  await assert.rejects(
    startStack({
      edge: {
        "tokens.verification": "remote",
        "tokens.verifier_url": "http://127.0.0.1:9/",
        "tokens.verifier_issuers": "other",
        "tokens.verifier_token_file": path,
      },
    }),
    { code: "secret_file_unreadable" },
  );
  await write("s".repeat(32));
  await using stack = await startStack({ edge: settings });
  await write("short");
  await stack.edge.reload();
  const kept = stack.lines.find(({ event }) => event === "kept as it was");
  assert.deepEqual([kept?.fields.what, kept?.fields.code], ["tokens.hmac_secret_file", "hmac_secret_weak"]);
});

Deno.test("an edge of several workers verifies tokens of another issuer on its main thread, and reads a new secret on SIGHUP", async () => {
  await using behind = origin();
  await using folder = await TempDir.make("foreign");
  const candidates: EdgeCandidate[] = [];
  await using authorizer = new ForeignAuthorizer(candidates, "other.localhost");
  const path = folder.file("secret");
  await Deno.writeTextFile(path, "not the secret of the authorizer", { mode: 0o600 });
  await using stack = await StackProcesses.start({
    edge: { workers: "2", "tokens.hmac_secret_file": path, "tokens.hmac_issuers": authorizer.issuer },
    services: [{ name: "shop", target: `127.0.0.1:${behind.port}` }],
  });
  const created = await fetch(`http://127.0.0.1:${stack.port}/tunnels/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  candidates.push(...(await created.json()).candidates);
  const agent = await stack.startAgent({
    control: authorizer.controlUrl,
    state_directory: folder.file("agent"),
    admin_listen: "off",
  });
  await eventually("it is refused", () => agent.stderr.includes("token_bad_signature"), 20_000);
  await Deno.writeTextFile(path, authorizer.secret);
  stack.edge.signal("SIGHUP");
  await eventually("it is served", async () => {
    const response = await fetch(`http://other.localhost:${stack.port}/`, { client: stack.client });
    return await response.text() === "from behind\n";
  }, 20_000);
});
