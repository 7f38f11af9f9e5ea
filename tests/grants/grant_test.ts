import assert from "node:assert/strict";
import fc from "fast-check";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { parseProtocolName } from "../../src/crypto/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import {
  type ChannelInitGrant,
  chooseGrantSuite,
  defaultGrantSuite,
  formatGrant,
  type GrantRole,
  grantSuites,
  maxGrantChars,
  maxIdleTimeoutSeconds,
  maxInitWindowSeconds,
  parseGrant,
  pskOf,
  readGrant,
} from "../../src/grants/mod.ts";

const nowMs = 1_767_225_600_000;
const nowS = nowMs / 1_000;
const psk = new Uint8Array(32).fill(7);

const grant: ChannelInitGrant = {
  tunnel_url: "wss://edge.example.com/.well-known/postern/relay",
  channel_id: "c".repeat(32),
  channel_init_expire_at_unix_s: nowS + 120,
  idle_timeout_seconds: 60,
  role: "client",
  token: "t".repeat(600),
  e2ee_psk_b64u: toBase64Url(psk),
  allowed_suites: [...grantSuites],
  default_suite: defaultGrantSuite,
  peer_static_key: toBase64Url(new Uint8Array(32).fill(9)),
  peer_agent_id: "agent-1",
};
const read = (changes: Record<string, unknown>, role: GrantRole = "client") =>
  readGrant({ ...grant, ...changes }, { role, nowMs });
const code = (wanted: string) => (error: unknown) => error instanceof PosternError && error.code === wanted;

Deno.test("parseGrant() reads what formatGrant() wrote, and drops fields that it does not know", () => {
  assert.deepEqual(parseGrant(formatGrant(grant), { role: "client", nowMs }), grant);
  assert.deepEqual(read({ a_field_of_a_later_version: 1 }), grant);
  const { peer_static_key: _key, peer_agent_id: _agent, ...unpinned } = grant;
  assert.deepEqual(readGrant(unpinned, { role: "client", nowMs }), unpinned);
  assert.deepEqual(pskOf(grant), psk);
});

Deno.test("readGrant() refuses every field that is absent or out of form: grant_malformed names it, never its value", () => {
  const bad: Record<string, readonly unknown[]> = {
    tunnel_url: [
      undefined,
      "edge",
      "https://edge.example.com/",
      "wss://user:secret@edge.example.com/",
      "wss://edge.example.com/?token=secret",
      "wss://edge.example.com/#secret",
      `wss://edge.example.com/${"p".repeat(512)}`,
    ],
    channel_id: [undefined, "short", "c".repeat(65), "c".repeat(31) + "/"],
    channel_init_expire_at_unix_s: [undefined, 0, 1.5, "soon"],
    idle_timeout_seconds: [undefined, 0, maxIdleTimeoutSeconds + 1, 0.5],
    role: [undefined, "relay", 1],
    token: [undefined, "", "t".repeat(8_193)],
    e2ee_psk_b64u: [undefined, "", toBase64Url(new Uint8Array(31)), `${grant.e2ee_psk_b64u}=`],
    allowed_suites: [undefined, [], ["Noise XX"], Array.from({ length: 9 }, (_, i) => `Noise_${i}`)],
    default_suite: [undefined, "Noise_NN_25519_ChaChaPoly_SHA256", "x".repeat(256)],
    peer_static_key: ["", toBase64Url(new Uint8Array(33))],
    peer_agent_id: ["", "two words"],
  };
  for (const [field, values] of Object.entries(bad)) {
    for (const value of values) {
      assert.throws(() => read({ [field]: value }), (error) => {
        assert.ok(code("grant_malformed")(error), `${field}: ${value}`);
        const { message } = error as PosternError;
        assert.ok(message.includes(field), message);
        assert.ok(!message.includes("secret") && !message.includes(grant.token), message);
        return true;
      });
    }
  }
});

Deno.test("parseGrant() refuses text that is too long or no JSON, without quoting it", () => {
  const parse = (text: string) => () => parseGrant(text, { role: "client", nowMs });
  assert.throws(parse(" ".repeat(maxGrantChars + 1)), code("grant_malformed"));
  assert.throws(parse(`{"token": secret`), (error) => {
    assert.ok(code("grant_malformed")(error));
    assert.ok(!String((error as Error).stack).includes("secret") && (error as Error).cause === undefined);
    return true;
  });
  fc.assert(fc.property(fc.string(), (text) => assert.throws(parse(text), code("grant_malformed"))));
  fc.assert(fc.property(fc.json(), (text) => assert.throws(parse(text), code("grant_malformed"))));
});

Deno.test("readGrant() refuses the other endpoint's grant: grant_wrong_role", () => {
  assert.throws(() => read({}, "server"), code("grant_wrong_role"));
  assert.throws(() => read({ role: "server" }), code("grant_wrong_role"));
});

Deno.test("readGrant() takes a grant within its window and the skew: grant_expired, grant_malformed", () => {
  const at = (seconds: number, clockSkewMs?: number) => () =>
    readGrant(grant, { role: "client", nowMs: nowMs + seconds * 1_000, clockSkewMs });
  at(120)();
  at(150)();
  assert.throws(at(151), code("grant_expired"));
  assert.throws(at(121, 0), code("grant_expired"));
  at(-(maxInitWindowSeconds - 120))();
  assert.throws(at(-(maxInitWindowSeconds - 120) - 31), code("grant_malformed"));
});

Deno.test("chooseGrantSuite() takes the default, else the strongest that is known: grant_suite_unknown", () => {
  const [hybrid, classic] = grantSuites;
  assert.equal(chooseGrantSuite(grant), hybrid);
  assert.equal(chooseGrantSuite({ allowed_suites: [classic, hybrid], default_suite: classic }), classic);
  assert.equal(
    chooseGrantSuite({ allowed_suites: ["Noise_later", classic], default_suite: "Noise_later" }),
    classic,
  );
  assert.throws(
    () => chooseGrantSuite({ allowed_suites: ["Noise_later"], default_suite: "Noise_later" }),
    code("grant_suite_unknown"),
  );
});

Deno.test("grantSuites are names of handshakes with the pre-shared key at the end of the third message", () => {
  const [hybrid, classic] = grantSuites.map(parseProtocolName);
  for (const { pattern } of [hybrid, classic]) assert.equal(pattern.messages[2].at(-1), "psk");
  assert.deepEqual([hybrid.kem, classic.kem], ["MLKEM768", null]);
  assert.equal(defaultGrantSuite, hybrid.name);
});
