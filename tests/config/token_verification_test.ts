import assert from "node:assert/strict";
import { edgeDefaults } from "../../src/config/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";

const url = { "tokens.verifier_url": "https://auth.example/verify" };
const remote = { ...url, "tokens.verification": "remote", "tokens.verifier_issuers": "a,b" };
const hmac = { "tokens.hmac_secret_file": "/s", "tokens.hmac_issuers": "nexus" };
const jwks = {
  "tokens.jwks_url": "https://auth.example/jwks.json",
  "tokens.jwks_issuers": "https://auth.example",
};

Deno.test("edge settings: every declared way to verify tokens is accepted", () => {
  assert.equal(edgeDefaults().tokens.verification, "local");
  assert.deepEqual(edgeDefaults(remote).tokens.verifierIssuers, ["a", "b"]);
  edgeDefaults({ ...hmac, ...jwks, "tokens.ca_file": "/ca" });
  edgeDefaults({ ...remote, ...hmac, ...jwks, "tokens.verification": "remote-then-local" });
  edgeDefaults({
    ...remote,
    ...hmac,
    "tokens.verification": "local-then-remote",
    "tokens.verifier_token_file": "/t",
  });
  edgeDefaults({ ...remote, "tokens.verifier_url": "http://127.0.0.1:9/verify" });
  edgeDefaults({ ...remote, "tokens.verifier_url": "http://[::1]:9" });
  edgeDefaults({ ...remote, "tokens.verifier_issuers": "https://localhost" });
});

Deno.test("edge settings: what contradicts itself about verifiers is refused by a code of its own", () => {
  const cases: [Record<string, string>, string][] = [
    [{ "tokens.verification": "remote" }, "config_verifier_missing"],
    [{ "tokens.verification": "remote-then-local" }, "config_verifier_missing"],
    [{ "tokens.verification": "local-then-remote" }, "config_verifier_missing"],
    [{ "tokens.jwks_issuers": "a" }, "config_verifier_missing"],
    [{ "tokens.hmac_issuers": "a" }, "config_verifier_missing"],
    [{ "tokens.verifier_issuers": "a" }, "config_verifier_missing"],
    [{ "tokens.hmac_secret_file": "/s" }, "config_issuer_missing"],
    [{ "tokens.jwks_file": "/s" }, "config_issuer_missing"],
    [{ "tokens.jwks_url": "https://a.example" }, "config_issuer_missing"],
    [{ ...url, "tokens.verification": "remote" }, "config_issuer_missing"],
    [{ ...hmac, ...jwks, "tokens.jwks_issuers": "nexus" }, "config_issuer_ambiguous"],
    [{ ...hmac, "tokens.hmac_issuers": "https://localhost" }, "config_issuer_ambiguous"],
    [
      { ...jwks, "public_host": "edge.example", "tokens.jwks_issuers": "https://edge.example" },
      "config_issuer_ambiguous",
    ],
    [{ ...jwks, "tokens.jwks_file": "/j" }, "config_conflict"],
    [{ ...remote, "tokens.verification": "local" }, "config_conflict"],
    [{ ...remote, ...hmac }, "config_conflict"],
    [{ ...remote, ...jwks }, "config_conflict"],
    [{ "tokens.verifier_token_file": "/t" }, "config_conflict"],
    [{ "tokens.ca_file": "/t" }, "config_conflict"],
    [{ ...remote, "tokens.verifier_timeout": "10s" }, "config_conflict"],
    [{ ...remote, "tokens.verifier_url": "http://auth.example/verify" }, "config_value_invalid"],
    [{ ...remote, "tokens.verifier_url": "https://user:word@auth.example/" }, "config_value_invalid"],
    [{ ...remote, "tokens.verifier_issuers": "a b" }, "config_value_invalid"],
    [{ ...remote, "tokens.verification": "any" }, "config_value_invalid"],
  ];
  for (const [settings, code] of cases) {
    assert.throws(
      () => edgeDefaults(settings),
      (error) => (assert.equal(codeOf(error), code, JSON.stringify(settings)), true),
    );
  }
});
