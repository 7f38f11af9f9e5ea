import assert from "node:assert/strict";
import { edgeDefaults } from "../../src/config/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import type { LogFields } from "../../src/ports/mod.ts";
import { type OpenTokenVerifier, openTokenVerifier } from "../../src/tokens/mod.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { TempDir } from "../support/temp_dir.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { newKeyset, nowMs, refusedWith } from "../identity/support.ts";
import { foreignClaims, foreignIssuer, issuerKey, secret, signed } from "./support.ts";

const issued = await issuerKey("ES256", "k");
const expect = { audience: "postern-edge", nowMs };

interface Opened extends AsyncDisposable {
  readonly open: OpenTokenVerifier;
  readonly lines: [string, LogFields][];
  readonly page: () => Promise<string>;
}

async function opened(settings: Record<string, string>): Promise<Opened> {
  const metrics = createMetrics();
  const lines: [string, LogFields][] = [];
  const open = await openTokenVerifier({
    config: edgeDefaults(settings),
    keyset: await newKeyset(),
    clock: new VirtualClock(nowMs),
    random: (bytes) => new Uint8Array(bytes),
    log: (_level, event, fields = {}) => lines.push([event, fields]),
    series: metrics.tokens,
  });
  return {
    open,
    lines,
    page: () => metrics.registry.metrics(),
    [Symbol.asyncDispose]() {
      open.stop();
      return Promise.resolve();
    },
  };
}

/** Speaks HTTPS; what it was asked with stands in `credentials`. */
function secureServer(cert: string, key: string, credentials: (string | null)[] = []) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, cert, key, onListen() {} }, async (request) => {
    await request.text();
    credentials.push(request.headers.get("authorization"));
    return Response.json(
      request.method === "GET" ? { keys: [issued.jwk] } : { valid: true, claims: foreignClaims },
    );
  });
}

Deno.test("openTokenVerifier() asks a verifier over TLS by the configured authority, with the credential of its file", async () => {
  await using ca = await CertificateAuthority.make();
  await using folder = await TempDir.make("verifier");
  const { cert, key } = await ca.issue({ names: ["DNS:localhost"] });
  const credentials: (string | null)[] = [];
  await using server = secureServer(cert, key, credentials);
  const tokenFile = folder.file("token");
  await Deno.writeTextFile(tokenFile, "first\n", { mode: 0o600 });
  const settings = {
    "tokens.verification": "remote",
    "tokens.verifier_url": `https://localhost:${server.addr.port}/verify`,
    "tokens.verifier_issuers": foreignIssuer,
    "tokens.verifier_token_file": tokenFile,
    "tokens.verifier_retries": "0",
    "tokens.verifier_cache": "0",
  };
  const token = await signed("HS256", secret);
  {
    await using setup = await opened({ ...settings, "tokens.ca_file": ca.ca.certPath });
    assert.equal((await setup.open.verifier.verify("stage0", token, expect)).sub, "tun_1");
    await Deno.writeTextFile(tokenFile, "second");
    await setup.open.reload();
    await setup.open.verifier.verify("stage0", token, expect);
    await Deno.writeTextFile(tokenFile, "two words");
    await setup.open.reload();
    await setup.open.verifier.verify("stage0", token, expect);
    assert.deepEqual(credentials, ["Bearer first", "Bearer second", "Bearer second"]);
    assert.deepEqual(setup.lines.map(([event, { what }]) => [event, what]), [
      [
        "tokens of the control inside of this edge are refused here: the remote verifier decides alone",
        undefined,
      ],
      ["kept as it was", "tokens.verifier_token_file"],
    ]);
    const page = await setup.page();
    assert.match(page, /^postern_token_verifications_total\{source="remote",result="ok"\} 3$/m);
    assert.match(page, /^postern_token_verifier_requests_total\{outcome="answered"\} 3$/m);
    assert.match(page, /^postern_token_verifier_state\{state="closed"\} 1$/m);
    assert.match(page, /^postern_token_verifier_seconds_count 3$/m);
  }
  await Deno.writeTextFile(tokenFile, "third");
  await using stranger = await opened(settings);
  await refusedWith("token_verifier_unavailable", stranger.open.verifier.verify("stage0", token, expect));
  assert.equal(credentials.length, 3, "an unknown authority's server is told nothing");
});

Deno.test("openTokenVerifier() fetches keys over TLS, and verifies by them", async () => {
  await using ca = await CertificateAuthority.make();
  const { cert, key } = await ca.issue({ names: ["IP:127.0.0.1"] });
  await using server = secureServer(cert, key);
  await using setup = await opened({
    "tokens.jwks_url": `https://127.0.0.1:${server.addr.port}/jwks.json`,
    "tokens.jwks_issuers": foreignIssuer,
    "tokens.ca_file": ca.ca.certPath,
  });
  const token = await signed("ES256", issued.privateKey, {}, { kid: "k" });
  assert.equal((await setup.open.verifier.verify("stage0", token, expect)).iss, foreignIssuer);
  assert.match(await setup.page(), /^postern_token_key_set_fetches_total\{result="ok"\} 1$/m);
});

Deno.test("openTokenVerifier() refuses authorities that are none: ca_certificates_invalid", async () => {
  await using folder = await TempDir.make("verifier");
  const path = folder.file("ca.pem");
  await Deno.writeTextFile(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await refusedWith(
    "ca_certificates_invalid",
    opened({
      "tokens.jwks_url": "https://localhost:1/",
      "tokens.jwks_issuers": foreignIssuer,
      "tokens.ca_file": path,
    }),
  );
});
