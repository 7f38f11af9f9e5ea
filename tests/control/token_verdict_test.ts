import assert from "node:assert/strict";
import { boundKeyProvider } from "../../src/attestation/mod.ts";
import { VerifierCredentials } from "../../src/control/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { readAnswer } from "../../src/tokens/verifier_answer.ts";
import { answerFor, assertProblem, type Control, issuer, openControl } from "./support.ts";

const berlin = "b".repeat(40);
const lisbon = "l".repeat(40);
const credentials = VerifierCredentials.read(
  `# edges\nberlin ${berlin}\n\nlisbon\t${lisbon}\nlisbon ${"m".repeat(40)}`,
);

async function opened(): Promise<Control> {
  const control = await openControl({ config: { anonymousTunnels: true } });
  Object.assign(control.deps, { verifierCredentials: () => credentials });
  return control;
}
const ask = (control: Control, token: string, credential: string | undefined = berlin) =>
  control.post("/v1/tokens/verify", { token }, credential);
const errorOf = async (control: Control, token: string, credential?: string) => {
  const { status, json } = await ask(control, token, credential);
  assert.deepEqual([status, json.valid], [200, false], JSON.stringify(json));
  return json.error as string;
};
const stage0Of = async (control: Control, token?: string) =>
  (await control.post("/tunnels/create", { requested_name: "demo" }, token)).json;

Deno.test("POST /v1/tokens/verify says what a token claims, in the form that edges read", async () => {
  await using control = await opened();
  const { ephemeral_token, tunnel_id } = await stage0Of(control);
  const response = await control.app.fetch(
    new Request(`${issuer}/v1/tokens/verify`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${berlin}` },
      body: JSON.stringify({ token: ephemeral_token }),
    }),
  );
  const { status, headers } = response;
  const verdict = readAnswer({ status, headers, body: new Uint8Array(await response.arrayBuffer()) });
  assert.ok(verdict.valid);
  assert.deepEqual([verdict.claims.sub, verdict.claims.hostnames], [tunnel_id, ["demo.tunnel.example"]]);
  const provider = await boundKeyProvider(new Uint8Array(32).fill(9));
  const evidence = await answerFor(control, provider, ephemeral_token);
  const { stage1_token } = (await control.post("/attest/evidence", evidence)).json;
  assert.equal((await ask(control, stage1_token)).json.claims.agent_id, provider.agentId);
});

Deno.test("POST /v1/tokens/verify is for edges with a credential: verifier_credential_refused, rate_limited", async () => {
  await using control = await opened();
  const { ephemeral_token } = await stage0Of(control);
  const operator = await control.tokenOf("ops", "operator");
  for (const credential of [undefined, "", berlin.slice(1), `${berlin}b`, operator]) {
    const answer = await control.post("/v1/tokens/verify", { token: ephemeral_token }, credential);
    assertProblem(answer, 401, credential === "" ? "authorization_malformed" : "verifier_credential_refused");
  }
  assert.equal((await ask(control, ephemeral_token)).json.valid, true);
  const lines = await control.store.auditEntries(9);
  assert.deepEqual(
    lines.filter(({ action }) => action === "token.verify").map(({ actor, outcome }) =>
      `${actor} ${outcome}`
    ),
    ["edge/berlin ok", ...Array(4).fill("unproven verifier_credential_refused")],
  );
  let status = 0;
  for (let n = 0; n < 2_001 && status !== 429; n++) status = (await ask(control, "x")).status;
  assertProblem(await ask(control, "x"), 429, "rate_limited");
});

Deno.test("POST /v1/tokens/verify is not there without credentials: endpoint_not_found", async () => {
  await using control = await openControl();
  assertProblem(await ask(control, "x"), 404, "endpoint_not_found");
});

Deno.test("POST /v1/tokens/verify: a stage 0 token is good at the first edge that asks, as often as that one does", async () => {
  await using control = await opened();
  const { ephemeral_token } = await stage0Of(control);
  assert.equal((await ask(control, ephemeral_token)).json.valid, true);
  assert.equal((await ask(control, ephemeral_token)).json.valid, true, "an answer was lost");
  for (let time = 0; time < 3; time++) {
    assert.equal(await errorOf(control, ephemeral_token, lisbon), "token_replayed");
  }
  // One that an edge of control's own took.
  const other = (await control.post("/tunnels/create", {})).json.ephemeral_token;
  const { jti, exp } = JSON.parse(
    new TextDecoder().decode(Uint8Array.fromBase64(other.split(".")[1], { alphabet: "base64url" })),
  );
  await control.store.consumeOnce("stage0", jti, exp * 1_000);
  assert.equal(await errorOf(control, other), "token_replayed");
  const fresh = (await control.post("/tunnels/create", {})).json.ephemeral_token;
  const verdicts = await Promise.all(
    Array.from({ length: 100 }, (_, n) => ask(control, fresh, n % 2 === 0 ? berlin : lisbon)),
  );
  const winners = new Set(verdicts.flatMap(({ json }, n) => json.valid === true ? [n % 2] : []));
  assert.equal(winners.size, 1, "one edge of both");
});

Deno.test("POST /v1/tokens/verify refuses what was taken back, and has no opinion of what is another's", async () => {
  await using control = await opened();
  const alice = await control.tokenOf("alice");
  const { ephemeral_token, recreate_token, tunnel_id } = await stage0Of(control, alice);
  assert.equal(await errorOf(control, recreate_token), "token_wrong_type");
  assert.equal(await errorOf(control, alice), "token_wrong_type");
  assert.equal(await errorOf(control, "x"), "token_malformed");
  const [head, , signature] = ephemeral_token.split(".");
  const forged = (claims: unknown, kid?: string) => {
    const encode = (value: unknown) =>
      new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
    const first = kid === undefined ? head : encode({ alg: "EdDSA", typ: "postern-stage0+jwt", kid });
    return `${first}.${encode(claims)}.${signature}`;
  };
  assert.equal(await errorOf(control, forged({ iss: "https://elsewhere.example" })), "unknown_issuer");
  assert.equal(await errorOf(control, forged({ iss: issuer }, "another")), "unknown_key");
  assert.equal(await errorOf(control, forged({ iss: issuer })), "token_bad_signature");
  const provider = await boundKeyProvider(new Uint8Array(32).fill(9));
  const evidence = await answerFor(control, provider, ephemeral_token);
  const { stage1_token } = (await control.post("/attest/evidence", evidence)).json;
  await control.store.setTunnelTier(tunnel_id, "tpm");
  assert.equal(await errorOf(control, stage1_token), "tier_too_weak");
  const ops = await control.tokenOf("ops", "operator");
  await control.post("/auth/token/revoke", { owner: "alice" }, ops);
  assert.equal(await errorOf(control, stage1_token), "token_revoked");
  const bob = await stage0Of(control, await control.tokenOf("bob"));
  const late =
    (await control.post("/tunnels/create", { requested_name: "two" }, await control.tokenOf("bob"))).json;
  await control.post("/tunnels/delete", { tunnel_id: late.tunnel_id }, ops);
  assert.equal(await errorOf(control, late.ephemeral_token), "tunnel_deleted");
  assert.equal(bob.code, "name_taken");
  control.clock.advance(91_000);
  assert.equal(await errorOf(control, ephemeral_token), "token_expired");
  await control.store.close();
  assert.ok((await ask(control, await openedToken())).status >= 500, "an outage is no verdict");
});

async function openedToken(): Promise<string> {
  await using other = await opened();
  return (await stage0Of(other)).ephemeral_token;
}

Deno.test("VerifierCredentials.read() takes names with strong credentials only: verifier_credentials_invalid", () => {
  const bad = [
    "",
    "# nobody",
    berlin,
    `berlin ${"b".repeat(31)}`,
    `a b ${berlin}`,
    `bér ${berlin}`,
    `b ${berlin}ü`,
  ];
  bad.push(Array.from({ length: 257 }, (_, n) => `e${n} ${berlin}${n}`).join("\n"));
  for (const text of bad) {
    assert.throws(
      () => VerifierCredentials.read(text),
      (error: Error) => {
        assert.equal(codeOf(error), "verifier_credentials_invalid");
        assert.ok(!error.message.includes(berlin));
        return true;
      },
    );
  }
  assert.equal(credentials.nameOf("m".repeat(40)), "lisbon");
});
