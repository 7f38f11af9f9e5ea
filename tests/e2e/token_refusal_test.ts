import assert from "node:assert/strict";
import { eventually, metricOf, type Stack, startStack, within } from "../support/stack.ts";
import { RogueAgent, type RogueProver } from "../support/rogue_agent.ts";

/** Never answers the challenge: what the edge says before it is what counts. */
const silent: RogueProver = () => new Promise(() => {});

/** The edge says it itself, counts it, and keeps nothing of it. */
async function refused(
  stack: Stack,
  code: string,
  knock: { ended: Promise<string | undefined> },
): Promise<void> {
  assert.equal(await within(10_000, `refused with ${code}`, knock.ended, stack.lines), code);
  await eventually("it is logged and counted", async () => {
    const logged = stack.lines.some(({ from, fields }) => from === "edge" && fields.code === code);
    return logged &&
      metricOf(await stack.metrics(), `postern_refusals_total{code="${code}",layer="channel"}`) === 1;
  });
  assert.equal(stack.plane.status().sessions.length, 0);
}

Deno.test("a stage 0 token that was used before is refused with token_replayed", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const first = await rogue.knock(
    created,
    created.ephemeral_token,
    await rogue.honest(created.ephemeral_token),
  );
  await within(10_000, "the first use is accepted", first.ready, stack.lines);
  first.close();
  await first.ended;
  await eventually("the session is gone", () => stack.plane.status().sessions.length === 0);
  await refused(stack, "token_replayed", await rogue.knock(created, created.ephemeral_token, silent));
});

Deno.test("a stage 0 token is spent by the first handshake, even when no proof follows", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const challenged = Promise.withResolvers<void>();
  const first = await rogue.knock(created, created.ephemeral_token, () => {
    challenged.resolve();
    return silent(undefined!);
  });
  await challenged.promise;
  await refused(stack, "token_replayed", await rogue.knock(created, created.ephemeral_token, silent));
  first.close();
});

for (
  const [name, code, claims, ageMs] of [
    ["that has expired", "token_expired", {}, 200_000],
    ["from the future", "token_not_yet_valid", {}, -200_000],
    ["for another audience", "token_wrong_audience", { aud: ["another-edge"] }, 0],
    ["of another issuer", "token_wrong_issuer", { iss: "https://elsewhere.example" }, 0],
    ["for a tunnel that does not exist", "tunnel_deleted", { sub: "tun_AAAAAAAAAAAAAAAA" }, 0],
  ] as const
) {
  Deno.test(`a stage 0 token ${name} is refused with ${code}`, async () => {
    await using stack = await startStack();
    await using rogue = new RogueAgent(stack);
    const created = await rogue.create();
    const token = await rogue.mint(created, claims as Record<string, never>, Date.now() - ageMs);
    await refused(stack, code, await rogue.knock(created, token, silent));
  });
}

Deno.test("a stage 0 token of another control plane is refused with token_unknown_key, a changed one with token_bad_signature", async () => {
  await using stack = await startStack();
  await using other = await startStack();
  await using rogue = new RogueAgent(stack);
  await using stranger = new RogueAgent(other);
  const created = await rogue.create();
  const foreign = await stranger.create();
  await refused(stack, "token_unknown_key", await rogue.knock(created, foreign.ephemeral_token, silent));
  const [head, , signature] = created.ephemeral_token.split(".");
  const body = foreign.ephemeral_token.split(".")[1];
  await refused(
    stack,
    "token_bad_signature",
    await rogue.knock(created, [head, body, signature].join("."), silent),
  );
});

Deno.test("a recreate token opens no channel: token_wrong_type", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  await refused(stack, "token_wrong_type", await rogue.knock(created, created.recreate_token, silent));
});

Deno.test("evidence that was judged for one channel opens no other: stage1_wrong_nonce", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const again = await rogue.create({ recreate_token: created.recreate_token });
  const stolen = Promise.withResolvers<string>();
  const honest = await rogue.honest(created.ephemeral_token);
  const first = await rogue.knock(created, created.ephemeral_token, async (challenge) => {
    stolen.resolve(await honest(challenge));
    return await silent(challenge);
  });
  const proof = await stolen.promise;
  await refused(
    stack,
    "stage1_wrong_nonce",
    await rogue.knock(again, again.ephemeral_token, () => Promise.resolve(proof)),
  );
  first.close();
});

Deno.test("a stage 0 token in the place of the proof is refused with token_wrong_type", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const token = created.ephemeral_token;
  await refused(stack, "token_wrong_type", await rogue.knock(created, token, () => Promise.resolve(token)));
});

Deno.test("an agent that takes the edge for another one learns nothing, and neither does the edge", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const knock = await rogue.knock(
    created,
    created.ephemeral_token,
    silent,
    { edgeKey: crypto.getRandomValues(new Uint8Array(32)) },
  );
  assert.notEqual(await within(10_000, "the channel ends", knock.ended, stack.lines), undefined);
  await eventually(
    "the edge has noticed",
    () => stack.lines.some(({ fields }) => fields.code === "noise_decrypt_failed"),
  );
  // The token was not spent: it has not been read.
  const second = await rogue.knock(
    created,
    created.ephemeral_token,
    await rogue.honest(created.ephemeral_token),
  );
  await within(10_000, "the token still holds", second.ready, stack.lines);
});

Deno.test("another owner's name, port or tunnel is out of reach", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const mine = await rogue.create({ requested_name: "mine" });
  const codeOf = async (response: Response) => `${response.status} ${(await response.json()).code}`;
  assert.equal(
    await codeOf(await rogue.post("/tunnels/create", { requested_name: "mine" })),
    "409 name_taken",
  );
  const other = await rogue.create({ requested_name: "other" });
  const stolen = { requested_name: "mine", recreate_token: other.recreate_token };
  assert.equal(await codeOf(await rogue.post("/tunnels/create", stolen)), "409 name_mismatch");
  const deletion = { tunnel_id: mine.tunnel_id, recreate_token: other.recreate_token };
  assert.equal(await codeOf(await rogue.post("/tunnels/delete", deletion)), "404 tunnel_not_found");
  assert.equal(
    await codeOf(await rogue.post("/tunnels/delete", { tunnel_id: mine.tunnel_id })),
    "401 authorization_required",
  );
});
