import assert from "node:assert/strict";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { readUnverified } from "../../src/identity/mod.ts";
import { startEdge } from "../../src/main.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import { RemoteVerifier } from "../../src/tokens/remote_verifier.ts";
import { RogueAgent } from "../support/rogue_agent.ts";
import { metricOf, startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

Deno.test("control judges tokens for an edge elsewhere, which knows it by a credential that can be changed", async () => {
  await using folder = await TempDir.make("verdicts");
  const file = await folder.write("edges", `berlin ${"b".repeat(40)}\n`);
  await Deno.chmod(file, 0o600);
  await using stack = await startStack({ edge: { "tokens.verify_credentials_file": file } });
  await using rogue = new RogueAgent(stack);
  using client = Deno.createHttpClient({});
  let credential = "b".repeat(40);
  const verifier = new RemoteVerifier({
    url: `http://127.0.0.1:${stack.port}/v1/tokens/verify`,
    bearer: () => credential,
    client,
    clock: systemClock,
    random: systemRandom,
    timeoutMs: 5_000,
    retries: 0,
    budgetMs: 9_000,
    cacheMs: 0,
    events: { onRequest() {}, onBreaker() {} },
  });
  const verify = (token: string) =>
    verifier.verify("stage0", token, readUnverified("stage0", token), {
      issuer: "https://localhost",
      audience: "postern-edge",
      nowMs: Date.now(),
    }).then((claims) => claims?.sub, codeOf);
  const { ephemeral_token, tunnel_id } = await rogue.create();
  assert.equal(await verify(ephemeral_token), tunnel_id);
  await Deno.writeTextFile(file, `berlin ${"c".repeat(40)}\n`);
  await stack.edge.reload();
  assert.equal(await verify(ephemeral_token), "token_verifier_answer_invalid", "our credential is refused");
  credential = "c".repeat(40);
  assert.equal(await verify(ephemeral_token), tunnel_id);
  await Deno.writeTextFile(file, "berlin short\n");
  await stack.edge.reload();
  assert.equal(await verify(ephemeral_token), tunnel_id, "a file that is wrong changes nothing");
  const kept = stack.lines.find(({ event }) => event === "kept as it was");
  assert.equal(kept?.fields.code, "verifier_credentials_invalid");
  const page = await stack.metrics();
  assert.equal(metricOf(page, 'postern_tokens_judged_total{result="ok"}'), 3);
  assert.equal(metricOf(page, 'postern_tokens_judged_total{result="verifier_credential_refused"}'), 1);
  const config = edgeDefaults({
    listen: "127.0.0.1:0",
    admin_listen: "off",
    state_directory: folder.file("edge"),
    "tokens.verify_credentials_file": file,
  });
  assert.equal(await startEdge(config, { log() {} }).catch(codeOf), "verifier_credentials_invalid");
});
