import assert from "node:assert/strict";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import {
  assertApplicable,
  formatRules,
  maxRuleBlocks,
  parseRules,
  parseUsers,
  readRules,
} from "../../src/rules/mod.ts";

function refusalOf(work: () => unknown): string {
  try {
    work();
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof PosternError);
    return `${codeOf(error)} ${error.message.split(": ").slice(1).join(": ")}`;
  }
}

const HASH = "$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

Deno.test("readRules() takes what it knows and gives the same text for the same rules", () => {
  const rules = readRules({ deny: ["10.0.0.13"], allow: ["10.0.0.0/8", "2001:db8::/32"] });
  assert.equal(formatRules(rules), '{"allow":["10.0.0.0/8","2001:db8::/32"],"deny":["10.0.0.13"]}');
  assert.deepEqual(parseRules(formatRules(rules)), rules);
  assert.deepEqual(readRules({}), {});
});

Deno.test("readRules() refuses unknown members, other forms and what is over a limit, without repeating values", () => {
  const secret = "hunter2";
  for (
    const raw of [
      { alow: ["10.0.0.0/8"] },
      { allow: [secret] },
      { allow: "10.0.0.0/8" },
      { allow: ["10.0.0.0/33"] },
      { rate: { per_second: 0, burst: 1 } },
      { rate: { per_second: 1 } },
      { rate: { per_second: 1, burst: 0.5 } },
      { rate: { per_second: 1e9, burst: 1 } },
      { rate_per_address: { per_second: 1, burst: 1, extra: 1 } },
      { allow: new Array(maxRuleBlocks + 1).fill("10.0.0.0/8") },
      { basic_auth: { users: [] } },
      { basic_auth: { users: [{ name: "ann", hash: secret }] } },
      { basic_auth: { users: [{ name: "a:b", hash: HASH }] } },
      { basic_auth: { users: [{ name: "ann", hash: HASH }, { name: "ann", hash: HASH }] } },
      { basic_auth: { realm: 'a"b', users: [{ name: "ann", hash: HASH }] } },
      { request_headers: { set: [["Content-Length", secret]] } },
      { request_headers: { set: [["X-A", `${secret}\r\nX-B: 1`]] } },
      { request_headers: { add: [["X A", secret]] } },
      { request_headers: { add: [["X-A"]] } },
      { request_headers: { remove: ["Host"] } },
      { response_headers: { remove: ["x_postern_client_ip"] } },
      { response_headers: { add: new Array(33).fill(["X-A", "1"]) } },
      { response_headers: { add: new Array(32).fill(["X-A", "1".repeat(300)]) } },
      [],
      null,
      "x",
    ]
  ) {
    const refusal = refusalOf(() => readRules(raw));
    assert.match(refusal, /^rules_invalid rules/, JSON.stringify(raw));
    assert.ok(!refusal.includes(secret));
  }
});

Deno.test("assertApplicable() lets a tcp service have rules about addresses", () => {
  assertApplicable({ allow: ["::1"], deny: [] }, "tcp");
  assertApplicable({}, "tcp");
  const http = readRules({ basic_auth: { users: [{ name: "ann", hash: HASH }] } });
  assertApplicable(http, "http");
  assert.match(
    refusalOf(() => assertApplicable(http, "tcp")),
    /^rules_invalid basic_auth is for http services only/,
  );
  assert.match(
    refusalOf(() => assertApplicable({ response_headers: {} }, "tcp")),
    /^rules_invalid response_headers is for http/,
  );
});

Deno.test("parseUsers() reads a line each, and names the line that is wrong, not what stands there", () => {
  assert.deepEqual(parseUsers(`# shop\n\nann:${HASH}\r\n  zoë:${HASH}`, "users"), [
    { name: "ann", hash: HASH },
    { name: "zoë", hash: HASH },
  ]);
  const refused = (text: string) => refusalOf(() => parseUsers(text, "users"));
  assert.equal(
    refused(`ann:${HASH}\nbob:hunter2`),
    "users_file_invalid line 2 has no hash as `postern hash-password` prints it",
  );
  assert.equal(refused("hunter2"), "users_file_invalid line 1 is not NAME:HASH");
  assert.equal(refused(`:${HASH}`), "users_file_invalid line 1 is not NAME:HASH");
  assert.equal(refused(`ann:${HASH}\nann:${HASH}`), "users_file_invalid line 2 names a user a second time");
  assert.equal(refused("# nobody"), "users_file_invalid it names no user");
  assert.throws(() => parseUsers("x", "users"), { code: "users_file_invalid" });
});

Deno.test("parseRules() refuses what a later version may have stored: rules_unusable", () => {
  for (const text of ['{"later":1}', "[]", "not json", '{"allow":["x"]}']) {
    assert.match(refusalOf(() => parseRules(text)), /^rules_unusable/);
  }
});
