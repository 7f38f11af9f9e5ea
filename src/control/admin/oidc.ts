/**
 * Administrators who sign in by an OpenID provider: authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636).
 * What is remembered between the two halves is in a cookie of the browser that began, so that strangers cost nothing here.
 */
import { createHash } from "node:crypto";
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from "jose";
import { z } from "zod";
import { equalConstantTime, fromBase64Url, toBase64Url, utf8, utf8Decode } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { AdminRole, Clock, Random } from "../../ports/mod.ts";
import { type BoundedAnswer, boundedFetch } from "../../tokens/mod.ts";
import { freshSecret } from "./secret.ts";

/** For one answer of the provider. */
const timeoutMs = 5_000;
const maxAnswerBytes = 262_144;
/** How long what the provider says of itself is believed; its keys are fetched for each login. */
const discoveryLifeMs = 3_600_000;
/** Time for a person to sign in there. */
export const oidcLoginMs = 600_000;
/** Signatures of ID tokens: asymmetric ones only. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  readonly groupsClaim: string;
  /** Groups that make somebody what; the mightiest counts. */
  readonly groups: Readonly<Record<AdminRole, readonly string[]>>;
}

export interface OidcDeps {
  readonly settings: OidcSettings;
  readonly client: Deno.HttpClient;
  readonly clock: Clock;
  readonly random: Random;
}

/** What the provider says of a person. */
export interface OidcPerson {
  /** Issuer and subject. */
  readonly subject: string;
  readonly role: AdminRole;
  /** What the provider calls them; anything. */
  readonly name?: string;
}

const endpoint = z.url({ protocol: /^https?$/ }).max(2_048);
const discoverySchema = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  jwks_uri: endpoint,
});
type Discovery = z.infer<typeof discoverySchema>;

const attemptSchema = z.object({
  state: z.string().length(43),
  nonce: z.string().length(43),
  verifier: z.string().length(43),
  at: z.int(),
});

export class OidcProvider {
  readonly #deps: OidcDeps;
  #known: { readonly discovery: Discovery; readonly untilMs: number } | undefined;

  constructor(deps: OidcDeps) {
    this.#deps = deps;
  }

  /** Where the browser goes, and what it keeps meanwhile. Throws `admin_oidc_unavailable`. */
  async begin(redirectUri: string): Promise<{ readonly url: string; readonly attempt: string }> {
    const { settings, random, clock } = this.#deps;
    const { authorization_endpoint } = await this.#discovery();
    const [state, nonce, verifier] = [freshSecret(random), freshSecret(random), freshSecret(random)];
    const url = new URL(authorization_endpoint);
    const challenge = createHash("sha256").update(verifier).digest();
    const query = {
      response_type: "code",
      client_id: settings.clientId,
      redirect_uri: redirectUri,
      scope: settings.scopes.join(" "),
      state,
      nonce,
      code_challenge: toBase64Url(new Uint8Array(challenge)),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const attempt = JSON.stringify({ state, nonce, verifier, at: clock.wall() });
    return { url: url.href, attempt: toBase64Url(utf8(attempt)) };
  }

  /**
   * Judges what the provider sent back by the browser. Throws `admin_oidc_refused`, `admin_oidc_state_mismatch`,
   * `admin_oidc_unavailable`, `admin_oidc_token_invalid`, `admin_oidc_role_missing`.
   */
  async finish(
    redirectUri: string,
    attemptText: string | undefined,
    query: Readonly<Record<string, string | undefined>>,
  ): Promise<OidcPerson> {
    const { settings, clock } = this.#deps;
    const attempt = attemptOf(attemptText);
    const isOurs = attempt !== undefined && clock.wall() - attempt.at < oidcLoginMs &&
      equalConstantTime(utf8(query.state ?? ""), utf8(attempt.state)) &&
      // RFC 9207: an answer that another provider has mixed in.
      (query.iss ?? settings.issuer) === settings.issuer;
    if (!isOurs) {
      throw new PosternError(
        "admin_oidc_state_mismatch",
        "Cannot sign in: this browser has not begun it, or too long ago",
      );
    }
    if (query.code === undefined) {
      throw new PosternError("admin_oidc_refused", "Cannot sign in: the provider has refused it");
    }
    const discovery = await this.#discovery();
    const idToken = await this.#exchange(discovery, redirectUri, query.code, attempt.verifier);
    const claims = await this.#verify(discovery, idToken, attempt.nonce);
    const role = roleOf(settings, claims[settings.groupsClaim]);
    if (role === undefined) {
      throw new PosternError(
        "admin_oidc_role_missing",
        "Cannot sign in: none of this person's groups administers",
      );
    }
    const name = [claims.preferred_username, claims.email].find((text) => typeof text === "string");
    return { subject: `${settings.issuer} ${claims.sub}`, role, ...(name === undefined ? {} : { name }) };
  }

  async #discovery(): Promise<Discovery> {
    const { settings, clock } = this.#deps;
    if (this.#known !== undefined && this.#known.untilMs > clock.wall()) return this.#known.discovery;
    const base = settings.issuer.replace(/\/$/, "");
    const answer = await this.#ask(`${base}/.well-known/openid-configuration`, {});
    const read = discoverySchema.safeParse(jsonOf(answer.body));
    if (answer.status !== 200 || !read.success || read.data.issuer !== settings.issuer) {
      throw unavailable("its configuration cannot be read, or is another issuer's");
    }
    // Whoever may listen to plain HTTP may be anybody; on loopback the issuer says so itself.
    const isPlain = settings.issuer.startsWith("http:");
    const endpoints = [read.data.authorization_endpoint, read.data.token_endpoint, read.data.jwks_uri];
    if (!isPlain && endpoints.some((url) => !url.startsWith("https:"))) {
      throw unavailable("an endpoint of it is not https");
    }
    this.#known = { discovery: read.data, untilMs: clock.wall() + discoveryLifeMs };
    return read.data;
  }

  async #exchange(
    { token_endpoint }: Discovery,
    redirectUri: string,
    code: string,
    verifier: string,
  ): Promise<string> {
    const { clientId, clientSecret } = this.#deps.settings;
    const form = new URLSearchParams({
      grant_type: "authorization_code",
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
      ...(clientSecret === undefined ? { client_id: clientId } : {}),
    });
    const headers = new Headers({ "Content-Type": "application/x-www-form-urlencoded" });
    if (clientSecret !== undefined) {
      // RFC 6749 2.3.1: both are form-encoded first.
      headers.set("Authorization", `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)}`);
    }
    const answer = await this.#ask(token_endpoint, { method: "POST", headers, body: form.toString() });
    if (answer.status >= 500) throw unavailable("it fails");
    const read = z.object({ id_token: z.string().max(65_536) }).safeParse(jsonOf(answer.body));
    if (answer.status === 200 && read.success) return read.data.id_token;
    throw new PosternError("admin_oidc_refused", "Cannot sign in: the provider gives no token for this code");
  }

  /** OpenID Connect Core 1.0, 3.1.3.7. */
  async #verify({ jwks_uri }: Discovery, idToken: string, nonce: string): Promise<Record<string, unknown>> {
    const { settings, clock } = this.#deps;
    const answer = await this.#ask(jwks_uri, {});
    if (answer.status !== 200) throw unavailable("its keys cannot be read");
    try {
      const keys = createLocalJWKSet(jsonOf(answer.body) as JSONWebKeySet);
      const { payload } = await jwtVerify(idToken, keys, {
        algorithms,
        issuer: settings.issuer,
        audience: settings.clientId,
        currentDate: new Date(clock.wall()),
        clockTolerance: 30,
        requiredClaims: ["sub", "exp", "iat", "nonce"],
      });
      const isForUs = !Array.isArray(payload.aud) || payload.aud.length === 1 ||
        payload.azp === settings.clientId;
      const isOurs = typeof payload.nonce === "string" &&
        equalConstantTime(utf8(payload.nonce), utf8(nonce));
      const hasSubject = typeof payload.sub === "string" && /^[\x21-\x7e]{1,255}$/.test(payload.sub);
      if (isForUs && isOurs && hasSubject) return payload;
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError || cause instanceof TypeError)) throw cause;
      throw tokenInvalid(cause);
    }
    throw tokenInvalid();
  }

  async #ask(url: string, init: RequestInit): Promise<BoundedAnswer> {
    const { client, clock } = this.#deps;
    try {
      return await boundedFetch(url, init, { clock, timeoutMs, maxBytes: maxAnswerBytes, client });
    } catch (cause) {
      throw unavailable("it does not answer", cause);
    }
  }
}

function attemptOf(text: string | undefined): z.infer<typeof attemptSchema> | undefined {
  try {
    return attemptSchema.parse(JSON.parse(utf8Decode(fromBase64Url(text ?? ""))));
  } catch {
    return undefined;
  }
}

function roleOf({ groups }: OidcSettings, claim: unknown): AdminRole | undefined {
  const theirs: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  const roles: readonly AdminRole[] = ["owner", "operator", "viewer"];
  return roles.find((role) => groups[role].some((group) => theirs.includes(group)));
}

/** Undefined for what is no JSON: whoever reads it judges. */
function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Decode(body));
  } catch {
    return undefined;
  }
}

function formEncoded(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2);
}

function unavailable(state: string, cause?: unknown): PosternError {
  return new PosternError("admin_oidc_unavailable", `Cannot ask OpenID provider: ${state}`, { cause });
}

function tokenInvalid(cause?: unknown): PosternError {
  return new PosternError("admin_oidc_token_invalid", "Cannot sign in: the ID token does not hold", {
    cause,
  });
}
