/**
 * An authorizer that is not Postern's: it speaks to agents as control does, believes whatever evidence they bring, and signs
 * its tokens by a secret. What verifies them is a server of its own, as it would be in a deployment.
 */
import { SignJWT } from "jose";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { LoopbackServer } from "./loopback_server.ts";

/** Where its agents connect to. */
export interface EdgeCandidate {
  readonly edge_url: string;
  readonly edge_public_key: string;
}

const random = () => toBase64Url(crypto.getRandomValues(new Uint8Array(32)));

export class ForeignAuthorizer implements AsyncDisposable {
  readonly issuer = "https://auth.other.example";
  /** What it signs by from now on. */
  secret: string = random();
  /** For agents. */
  readonly control: LoopbackServer;
  /** For edges: says of every token that it is valid. */
  readonly verifier: LoopbackServer;
  readonly #candidates: readonly EdgeCandidate[];
  readonly #hostname: string;
  /** How often agents have to prove themselves anew; absent: never. */
  reauthSeconds: number | undefined;
  readonly #challenges = new Map<string, Record<string, string>>();

  constructor(candidates: readonly EdgeCandidate[], hostname: string) {
    this.#candidates = candidates;
    this.#hostname = hostname;
    this.control = new LoopbackServer((request) => this.#answer(request));
    this.verifier = new LoopbackServer(() => this.#verdict());
  }

  get controlUrl(): string {
    return `http://127.0.0.1:${this.control.port}`;
  }

  /** A token of this authorizer; `claims` over those of its one service. */
  sign(kind: "stage0" | "stage1", claims: Record<string, unknown> = {}): Promise<string> {
    const iat = Math.floor(Date.now() / 1_000);
    return new SignJWT({
      iss: this.issuer,
      aud: "postern-edge",
      sub: "backend-1",
      iat,
      exp: iat + 30,
      jti: random(),
      hostnames: [this.#hostname],
      tcp_ports: [],
      ...(kind === "stage0" ? { protocol: "http", transports: ["wss"], handshake_max_age_seconds: 60 } : {}),
      ...claims,
    }).setProtectedHeader({ alg: "HS256", typ: `postern-${kind}+jwt` }).sign(
      new TextEncoder().encode(this.secret),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.control.kill();
    await this.verifier.kill();
  }

  #verdict(): Response {
    const { token } = JSON.parse(this.verifier.bodies.at(-1)!);
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(token.split(".")[1], {
      alphabet: "base64url",
    })));
    return Response.json({ valid: true, claims });
  }

  async #answer(request: Request): Promise<Response> {
    const body = JSON.parse(this.control.bodies.at(-1)!);
    switch (new URL(request.url).pathname) {
      case "/tunnels/create":
        return Response.json({
          tunnel_id: "backend-1",
          public_hostname: this.#hostname,
          candidates: this.#candidates,
          ephemeral_token: await this.sign("stage0"),
        });
      case "/attest/challenge": {
        const id = random();
        this.#challenges.set(id, body);
        return Response.json({ challenge_id: id, authority_nonce: random(), policy_version: "other@1" });
      }
      case "/attest/evidence": {
        const challenge = this.#challenges.get(body.challenge_id)!;
        const { session_nonce, handshake_hash, agent_static } = challenge;
        const bound = { session_nonce, handshake_hash, agent_static };
        // What lets the agent ask anew is the name of its attestation: this authorizer believes everything.
        const attestation = challenge.reauth_token ?? random();
        return Response.json({
          reauth_token: attestation,
          stage1_token: await this.sign("stage1", {
            agent_id: "agent-1",
            policy_version: "other@1",
            issued_at_quote: Math.floor(Date.now() / 1_000),
            tier: "bound-key",
            ...bound,
            ...(this.reauthSeconds === undefined ? {} : {
              reauth_interval_seconds: this.reauthSeconds,
              reauth_version: 1,
              attestation_id: attestation,
            }),
          }),
        });
      }
      default:
        return new Response(null, { status: 404 });
    }
  }
}
