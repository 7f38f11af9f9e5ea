import assert from "node:assert/strict";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { issueStage0, type PinnedKey, readHmacSecrets, readJwks } from "../../src/identity/mod.ts";
import { LocalVerifier } from "../../src/tokens/local_verifier.ts";
import {
  TokenVerifier,
  type VerificationPolicy,
  type VerificationSource,
} from "../../src/tokens/token_verifier.ts";
import { LoopbackServer } from "../support/loopback_server.ts";
import { countingRandom, issuer, newKeyset, nowMs, refusedWith, stage0Draft } from "../identity/support.ts";
import { foreignClaims, foreignIssuer, issuerKey, RemoteSetup, secret, signed } from "./support.ts";

const hmacIssuer = "nexus";
const own = await newKeyset();
const ed = await issuerKey("EdDSA", "ed");
const ec = await issuerKey("ES256", "ec");
const publicKeys = await readJwks({ keys: [ed.jwk, ec.jwk] });
const secrets = await readHmacSecrets(new TextDecoder().decode(secret));
const ownToken = async () =>
  (await issueStage0(stage0Draft, own, { nowMs, random: countingRandom(), ttlSeconds: 60 })).token;
const expect = { audience: "postern-edge", nowMs };

class Setup {
  readonly verified: [VerificationSource, string][] = [];
  readonly verifier: TokenVerifier;

  constructor(
    policy: VerificationPolicy,
    remote?: RemoteSetup,
    remoteIssuers: readonly string[] = [foreignIssuer],
    key: (kid: string) => Promise<PinnedKey | undefined> = (kid) => Promise.resolve(publicKeys.get(kid)),
  ) {
    this.verifier = new TokenVerifier({
      policy,
      local: new LocalVerifier({
        issuer,
        keyset: own,
        jwks: {
          issuers: [foreignIssuer],
          keys: { key, reload: () => Promise.resolve(), stop() {} },
        },
        hmac: { issuers: [hmacIssuer], secrets: () => secrets },
      }),
      remote: remote && { verifier: remote.verifier, issuers: remoteIssuers },
      onVerified: (source, result) => this.verified.push([source, result]),
    });
  }

  verify(token: string) {
    return this.verifier.verify("stage0", token, expect);
  }
}

const valid = (claims: Record<string, unknown> = {}) => () =>
  Response.json({ valid: true, claims: { ...foreignClaims, weight: 7, ...claims } });
const says = (error: string) => () => Response.json({ valid: false, error });

Deno.test("TokenVerifier local: each issuer by its own keys, and no other issuer", async () => {
  const setup = new Setup("local");
  assert.equal((await setup.verify(await ownToken())).iss, issuer);
  assert.equal(
    (await setup.verify(await signed("EdDSA", ed.privateKey, {}, { kid: "ed" }))).iss,
    foreignIssuer,
  );
  assert.equal(
    (await setup.verify(await signed("ES256", ec.privateKey, {}, { kid: "ec" }))).iss,
    foreignIssuer,
  );
  assert.equal((await setup.verify(await signed("HS256", secret, { iss: hmacIssuer }))).iss, hmacIssuer);
  await refusedWith("token_wrong_issuer", setup.verify(await signed("HS256", secret, { iss: "third" })));
  await refusedWith("token_wrong_issuer", setup.verify(await signed("HS256", secret, { iss: undefined })));
  assert.deepEqual(setup.verified, [
    ["keyset", "ok"],
    ["jwks", "ok"],
    ["jwks", "ok"],
    ["hmac", "ok"],
    ["none", "token_wrong_issuer"],
    ["none", "token_wrong_issuer"],
  ]);
});

Deno.test("TokenVerifier local: no key stands in for one of another kind, id, issuer or algorithm", async () => {
  const setup = new Setup("local");
  const rawPublic = new TextEncoder().encode(String(ed.jwk.x));
  const { kid, privateKey } = own.signingKey();
  const cases: [string, string, Promise<string>][] = [
    ["a public key as a secret", "token_wrong_algorithm", signed("HS256", rawPublic, {}, { kid: "ed" })],
    ["a secret of another issuer", "token_wrong_algorithm", signed("HS256", secret, {}, { kid: "ed" })],
    ["a secret for control", "token_wrong_algorithm", signed("HS256", secret, { iss: issuer }, { kid })],
    [
      "a key for a secret's issuer",
      "token_wrong_algorithm",
      signed("EdDSA", ed.privateKey, { iss: hmacIssuer }),
    ],
    [
      "another issuer's key for control",
      "token_unknown_key",
      signed("EdDSA", ed.privateKey, { iss: issuer }, { kid: "ed" }),
    ],
    ["P-256 for control", "token_wrong_algorithm", signed("ES256", ec.privateKey, { iss: issuer }, { kid })],
    ["control's key for another issuer", "token_unknown_key", signed("EdDSA", privateKey, {}, { kid })],
    [
      "the algorithm of another key",
      "token_wrong_algorithm",
      signed("EdDSA", ed.privateKey, {}, { kid: "ec" }),
    ],
    ["no key id", "token_unknown_key", signed("EdDSA", ed.privateKey)],
    ["another key with its id", "token_bad_signature", signed("EdDSA", privateKey, {}, { kid: "ed" })],
    ["a longer hash", "token_wrong_algorithm", signed("HS512", secret, { iss: hmacIssuer })],
    ["another secret", "token_bad_signature", signed("HS256", rawPublic, { iss: hmacIssuer })],
    ["another type", "token_wrong_type", signed("HS256", secret, { iss: hmacIssuer }, { typ: "JWT" })],
    ["another audience", "token_wrong_audience", signed("HS256", secret, { iss: hmacIssuer, aud: "other" })],
    ["its time is over", "token_expired", signed("HS256", secret, { iss: hmacIssuer, iat: 1, exp: 61 })],
    [
      "too long a life",
      "token_claims_invalid",
      signed("HS256", secret, { iss: hmacIssuer, exp: foreignClaims.iat + 601 }),
    ],
    ["no signature at all", "token_wrong_algorithm", unsigned()],
  ];
  for (const [what, code, token] of cases) {
    await assert.rejects(
      setup.verify(await token),
      (error) => (assert.equal(codeOf(error), code, what), true),
    );
  }
});

Deno.test("TokenVerifier remote: the verifier alone decides, and sees tokens of its issuers only", async () => {
  await using server = new LoopbackServer(valid());
  using remote = new RemoteSetup(server.url);
  const setup = new Setup("remote", remote);
  assert.equal((await setup.verify(await signed("EdDSA", ed.privateKey, {}, { kid: "ed" }))).weight, 7);
  server.answer = says("unknown_key");
  await refusedWith(
    "token_unknown_key",
    setup.verify(await signed("EdDSA", ed.privateKey, { n: 1 }, { kid: "ed" })),
  );
  assert.equal(server.bodies.length, 2);
  await refusedWith("token_wrong_algorithm", setup.verify(await unsigned()));
  await refusedWith("token_wrong_issuer", setup.verify(await ownToken()));
  await refusedWith("token_wrong_issuer", setup.verify(await signed("HS256", secret, { iss: hmacIssuer })));
  assert.equal(server.bodies.length, 2, "tokens of others are nobody's business");
  assert.deepEqual(setup.verified.map(([source]) => source), ["remote", "remote", "none", "none", "none"]);
});

Deno.test("TokenVerifier local-then-remote: the verifier is asked for lack of a key, and for nothing else", async () => {
  await using server = new LoopbackServer(valid());
  using remote = new RemoteSetup(server.url);
  const setup = new Setup("local-then-remote", remote, [foreignIssuer, "third"]);
  await setup.verify(await ownToken());
  assert.equal((await setup.verify(await signed("EdDSA", ed.privateKey, {}, { kid: "ed" }))).weight, 1);
  // What is refused here is refused: the verifier cannot make it valid.
  const other = await issuerKey("EdDSA", "ed");
  await refusedWith(
    "token_bad_signature",
    setup.verify(await signed("EdDSA", other.privateKey, {}, { kid: "ed" })),
  );
  await refusedWith("token_wrong_algorithm", setup.verify(await signed("HS256", secret, {}, { kid: "ed" })));
  assert.equal(server.bodies.length, 0);
  assert.equal((await setup.verify(await signed("EdDSA", ed.privateKey, {}, { kid: "new" }))).weight, 7);
  // A key of a kind that is not for here is one that is not here.
  server.answer = valid({ jti: "jti-of-another" });
  const foreignKind = signed("HS256", secret, { jti: "jti-of-another" }, { kid: "new" });
  assert.equal((await setup.verify(await foreignKind)).weight, 7);
  server.answer = valid({ iss: "third" });
  assert.equal((await setup.verify(await signed("HS256", secret, { iss: "third" }))).weight, 7);
  assert.equal(server.bodies.length, 3);

  // Keys that could not be fetched are an outage, not the lack of a key.
  const down = new Setup("local-then-remote", remote, [foreignIssuer], () => {
    throw new PosternError("token_verifier_unavailable");
  });
  await refusedWith(
    "token_verifier_unavailable",
    down.verify(await signed("EdDSA", ed.privateKey, {}, { kid: "ed" })),
  );
  assert.equal(server.bodies.length, 3);
});

Deno.test("TokenVerifier remote-then-local: an outage of the verifier refuses what keys here could verify: token_verifier_unavailable", async () => {
  await using server = new LoopbackServer(valid());
  using remote = new RemoteSetup(server.url);
  const setup = new Setup("remote-then-local", remote);
  const token = await signed("EdDSA", ed.privateKey, {}, { kid: "ed" });
  const again = (n: number) => signed("EdDSA", ed.privateKey, { n }, { kid: "ed" });
  assert.equal((await setup.verify(token)).weight, 7);
  // It has no opinion: the keys here decide.
  server.answer = says("unknown_issuer");
  assert.equal((await setup.verify(await again(1))).weight, 1);
  // It has one: they do not.
  server.answer = says("token_revoked");
  await refusedWith("token_revoked", setup.verify(await again(2)));
  server.answer = () => new Response("garbage", { status: 404 });
  await refusedWith("token_verifier_answer_invalid", setup.verify(await again(3)));
  server.answer = () => new Response(null, { status: 503 });
  await refusedWith("token_verifier_unavailable", setup.verify(await again(4)));
  await server.kill();
  for (let n = 5; n < 15; n++) await refusedWith("token_verifier_unavailable", setup.verify(await again(n)));
  // Issuers that it is not for are not touched by that.
  assert.equal((await setup.verify(await ownToken())).iss, issuer);
  assert.equal((await setup.verify(await signed("HS256", secret, { iss: hmacIssuer }))).iss, hmacIssuer);
  assert.deepEqual(setup.verified.at(-1), ["hmac", "ok"]);
});

/** `alg: none` (RFC 7515 A.5), with something where the signature would be. */
function unsigned(): Promise<string> {
  const part = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const header = { alg: "none", typ: "postern-stage0+jwt", kid: "ed" };
  return Promise.resolve(`${part(header)}.${part(foreignClaims)}.AAAA`);
}
