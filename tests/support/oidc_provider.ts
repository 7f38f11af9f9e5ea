/**
 * An OpenID provider on loopback: discovery, authorization codes with PKCE, client authentication and signed ID tokens. It
 * signs in whoever the test says, and can be told to lie.
 */
import { createHash } from "node:crypto";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { LoopbackServer } from "./loopback_server.ts";

interface Grant {
  readonly query: URLSearchParams;
  isUsed: boolean;
}

type Key = Awaited<ReturnType<typeof generateKeyPair>>;

export class OidcProviderServer implements AsyncDisposable {
  readonly clientId = "postern edge";
  readonly clientSecret = "s3cret:with/signs";
  /** Claims of whoever signs in, over those that every token has. */
  claims: Record<string, unknown> = { sub: "u1", preferred_username: "Ann", groups: ["admins"] };
  /** What the configuration says in the place of the truth. */
  configuration: Record<string, unknown> = {};
  /** Signs with this key in the place of the published one. */
  otherKey: Key | undefined;
  /** Wall clock, Unix milliseconds. */
  readonly #wall: () => number;
  readonly #server: LoopbackServer;
  readonly #key: Key;
  readonly #grants = new Map<string, Grant>();

  private constructor(key: Key, wall: () => number) {
    this.#key = key;
    this.#wall = wall;
    this.#server = new LoopbackServer((request) => this.#answer(request));
  }

  static async start(wall: () => number): Promise<OidcProviderServer> {
    return new OidcProviderServer(await generateKeyPair("ES256", { extractable: true }), wall);
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** What a person does there: signs in, and is sent back. */
  signIn(url: string): URL {
    const query = new URL(url).searchParams;
    const code = crypto.randomUUID();
    this.#grants.set(code, { query, isUsed: false });
    const back = new URL(query.get("redirect_uri")!);
    back.searchParams.set("code", code);
    back.searchParams.set("state", query.get("state")!);
    back.searchParams.set("iss", this.issuer);
    return back;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #answer(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case "/.well-known/openid-configuration":
        return Response.json({
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/keys`,
          ...this.configuration,
        });
      case "/keys":
        return Response.json({ keys: [{ ...await exportJWK(this.#key.publicKey), use: "sig", kid: "k" }] });
      case "/token":
        return await this.#token(request);
      default:
        return new Response(null, { status: 404 });
    }
  }

  async #token(request: Request): Promise<Response> {
    const form = new URLSearchParams(this.#server.bodies.at(-1));
    const encode = (text: string) => new URLSearchParams({ x: text }).toString().slice(2);
    const basic = `Basic ${btoa(`${encode(this.clientId)}:${encode(this.clientSecret)}`)}`;
    if (request.headers.get("Authorization") !== basic) {
      return Response.json({ error: "invalid_client" }, { status: 401 });
    }
    const grant = this.#grants.get(form.get("code") ?? "");
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    const isGood = grant !== undefined && !grant.isUsed && challenge === grant.query.get("code_challenge") &&
      grant.query.get("redirect_uri") === form.get("redirect_uri") &&
      form.get("grant_type") === "authorization_code";
    if (!isGood) return Response.json({ error: "invalid_grant" }, { status: 400 });
    grant.isUsed = true;
    const now = Math.floor(this.#wall() / 1_000);
    const idToken = await new SignJWT({
      iss: this.issuer,
      aud: this.clientId,
      nonce: grant.query.get("nonce"),
      iat: now,
      exp: now + 300,
      ...this.claims,
    }).setProtectedHeader({ alg: "ES256", kid: "k" }).sign((this.otherKey ?? this.#key).privateKey);
    return Response.json({ access_token: "x", token_type: "Bearer", id_token: idToken });
  }
}
