/** Makes the verifier of an edge's tokens of its settings and the files that they name. */
import type { EdgeConfig } from "../config/mod.ts";
import { issuerOf, readSecretFile } from "../config/mod.ts";
import { badAuthorities, readAuthorities } from "../driver/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import { type PinnedKey, readHmacSecrets, type VerificationKeys } from "../identity/mod.ts";
import type { Clock, Log, Random } from "../ports/mod.ts";
import type { TokenSeries } from "../telemetry/mod.ts";
import { FetchedKeySet, type KeySet, openKeySetFile } from "./key_sets.ts";
import { LocalVerifier } from "./local_verifier.ts";
import { RemoteVerifier } from "./remote_verifier.ts";
import { TokenVerifier } from "./token_verifier.ts";

export interface TokenVerifierDeps {
  readonly config: Pick<EdgeConfig, "tokens" | "publicHost" | "channel">;
  /** Of the embedded control. */
  readonly keyset: VerificationKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly series: TokenSeries;
}

export interface OpenTokenVerifier {
  readonly verifier: TokenVerifier;
  /** Reads key set, secrets and credential again; what cannot be read stays as it was, which is logged. */
  reload(): Promise<void>;
  stop(): void;
}

/** Part of a handshake step that judging a token may take: the rest is the token's way here, and the answer's back. */
const STEP_SHARE = 0.8;

/**
 * A key set at a URL is fetched in the background, from now on. Throws `jwks_invalid`, `hmac_secret_weak`,
 * `secret_file_*`, `ca_certificates_invalid`.
 */
export async function openTokenVerifier(deps: TokenVerifierDeps): Promise<OpenTokenVerifier> {
  const { config, keyset, clock, random, log, series } = deps;
  const { tokens, channel } = config;
  const secrets = new SecretFiles(log);
  let hmacKeys: readonly PinnedKey[] = [];
  const readHmac = async () => {
    if (tokens.hmacSecretFile === null) return;
    hmacKeys = await readHmacSecrets(await secrets.read(tokens.hmacSecretFile));
  };
  let bearer: string | undefined;
  const readBearer = async () => {
    if (tokens.verifierTokenFile === null) return;
    bearer = credentialOf(await secrets.read(tokens.verifierTokenFile), tokens.verifierTokenFile);
  };
  await readHmac();
  await readBearer();
  const fileKeys = tokens.jwksFile === null ? undefined : await openKeySetFile(tokens.jwksFile);
  const client = tokens.verifierUrl === null && tokens.jwksUrl === null
    ? undefined
    : clientOf(tokens.caFile === null ? [] : [await readAuthorities(tokens.caFile)]);
  const urlKeys = tokens.jwksUrl === null ? undefined : new FetchedKeySet({
    url: tokens.jwksUrl,
    client: client!,
    clock,
    log,
    onFetched: (result) => series.keySetFetches.inc({ result }),
  });
  urlKeys?.start();
  const jwks: KeySet | undefined = fileKeys ?? urlKeys;
  const remote = tokens.verifierUrl === null ? undefined : new RemoteVerifier({
    url: tokens.verifierUrl,
    bearer: () => bearer,
    client: client!,
    clock,
    random,
    timeoutMs: tokens.verifierTimeoutMs,
    retries: tokens.verifierRetries,
    budgetMs: Math.max(tokens.verifierTimeoutMs, channel.handshakeStepMs * STEP_SHARE),
    cacheMs: tokens.verifierCacheMs,
    events: {
      onRequest(outcome, seconds) {
        series.verifierRequests.inc({ outcome });
        if (seconds !== undefined) series.verifierSeconds.observe(seconds);
      },
      onBreaker(state) {
        series.verifierState(state);
        log(state === "open" ? "warn" : "info", "token verifier", { state });
      },
    },
  });
  if (remote !== undefined) series.verifierState("closed");
  const ownIssuer = issuerOf(config);
  if (tokens.verification === "remote" && !tokens.verifierIssuers.includes(ownIssuer)) {
    log(
      "warn",
      "tokens of the control inside of this edge are refused here: the remote verifier decides alone",
      {
        issuer: ownIssuer,
      },
    );
  }
  const again = async (what: string, read: () => Promise<void>) => {
    try {
      await read();
    } catch (error) {
      log("error", "kept as it was", {
        what,
        code: codeOf(error),
        cause: error instanceof PosternError ? error.message : undefined,
      });
    }
  };
  return {
    verifier: new TokenVerifier({
      policy: tokens.verification,
      local: new LocalVerifier({
        issuer: ownIssuer,
        keyset,
        jwks: jwks && { issuers: tokens.jwksIssuers, keys: jwks },
        hmac: { issuers: tokens.hmacIssuers, secrets: () => hmacKeys },
      }),
      remote: remote && { verifier: remote, issuers: tokens.verifierIssuers },
      onVerified: (source, result) => series.verifications.inc({ source, result }),
    }),
    async reload() {
      await again("tokens.hmac_secret_file", readHmac);
      await again("tokens.verifier_token_file", readBearer);
      if (jwks !== undefined) await again("tokens.jwks", () => jwks.reload());
    },
    stop() {
      jwks?.stop();
      client?.close();
    },
  };
}

class SecretFiles {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  async read(path: string): Promise<string> {
    const { secret, warning } = await readSecretFile(path, Deno);
    if (warning !== undefined) this.#log("warn", warning);
    return secret;
  }
}

/** What fits into a header field. Throws `secret_file_unreadable`. */
function credentialOf(secret: string, path: string): string {
  if (/^[\x21-\x7e]{1,8192}$/.test(secret)) return secret;
  throw new PosternError(
    "secret_file_unreadable",
    `Cannot read secret file ${path}: it holds more than one word`,
  );
}

function clientOf(caCerts: string[]): Deno.HttpClient {
  try {
    return Deno.createHttpClient({ caCerts });
  } catch (cause) {
    throw badAuthorities(cause);
  }
}
