/** An agent that says to the edge what a test wants: its own tokens, its own proofs, its own bytes. */
import { EvidenceProver } from "../../agent/evidence.ts";
import { ControlClient } from "../../agent/control_client.ts";
import { boundKeyProvider, type EvidenceProvider } from "../../src/attestation/mod.ts";
import { fromBase64Url } from "../../src/bytes/mod.ts";
import {
  type Challenge,
  Channel,
  CHANNEL_LIMITS,
  type ChannelEvents,
  HandshakeInitiator,
  type ReauthChallenge,
} from "../../src/channel/mod.ts";
import { openKeyset } from "../../src/control/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import {
  ChannelPump,
  connectWebSocket,
  systemClock,
  systemRandom,
  WireBuffers,
} from "../../src/driver/mod.ts";
import type { PosternError } from "../../src/errors/mod.ts";
import { type Draft, issueStage0, type Stage0Claims } from "../../src/identity/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import type { Stack } from "./stack.ts";

/** What control answered to a request for a tunnel. */
export interface Created {
  readonly tunnel_id: string;
  readonly public_hostname: string;
  readonly ephemeral_token: string;
  readonly recreate_token: string;
  readonly candidates: readonly { readonly edge_url: string; readonly edge_public_key: string }[];
}

export type RogueProver = (challenge: Challenge) => Promise<string>;

/** One knock at the edge's door. */
export interface Knock {
  /** Code that the channel ended with; undefined after an orderly end. */
  readonly ended: Promise<string | undefined>;
  /** Resolves when the edge has accepted the proof. */
  readonly ready: Promise<void>;
  /** Sends what waits to be sent. */
  wake(): void;
  close(): void;
}

export class RogueAgent implements AsyncDisposable {
  readonly #stack: Stack;
  readonly #control: ControlClient;
  readonly #buffers = new WireBuffers(loadCore());
  readonly #knocks: Knock[] = [];

  constructor(stack: Stack) {
    this.#stack = stack;
    this.#control = new ControlClient({
      url: `http://127.0.0.1:${stack.port}`,
      clock: systemClock,
      userAgent: "rogue",
    });
  }

  /** Asks control for a tunnel of its own. */
  async create(request: Record<string, unknown> = {}): Promise<Created> {
    const response = await this.post("/tunnels/create", request);
    if (response.status !== 200) throw new Error(await response.text());
    return await response.json();
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#stack.port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }

  /** A stage 0 token with the edge's own signature, as only a stolen key could make it. */
  async mint(created: Created, claims: Partial<Draft<Stage0Claims>>, nowMs = Date.now()): Promise<string> {
    const store = openSqliteStore(this.#stack.folder.file("edge/postern.db"), {
      wall: Date.now,
      clockSkewMs: 0,
    });
    try {
      const keyset = await openKeyset({ store, clock: systemClock, random: systemRandom });
      const issued = await issueStage0(
        {
          iss: "https://localhost",
          aud: ["postern-edge"],
          sub: created.tunnel_id,
          hostnames: [created.public_hostname],
          tls_hostnames: [],
          tcp_ports: [],
          udp_ports: [],
          weight: 1,
          protocol: "http",
          transports: ["wss"],
          handshake_max_age_seconds: 60,
          ...claims,
        },
        keyset,
        { nowMs, random: systemRandom, ttlSeconds: 60 },
      );
      return issued.token;
    } finally {
      await store.close();
    }
  }

  /** Proofs as an honest agent makes them, under an identity of its own. */
  async honest(token: string): Promise<RogueProver> {
    return this.honestAs(await this.identity(), token);
  }

  identity(): Promise<EvidenceProvider> {
    return boundKeyProvider(systemRandom(32));
  }

  honestAs(identity: EvidenceProvider, token: string): RogueProver {
    const prover = new EvidenceProver({
      control: this.#control,
      provider: identity,
      stage0Token: token,
      clock: systemClock,
      random: systemRandom,
    });
    return async (challenge) => (await prover.open(challenge, AbortSignal.timeout(10_000))).token;
  }

  /**
   * Opens a channel with this token and this proof.
   * @param edgeKey what the edge is taken for; its own key unless given
   * @param onOpen what becomes of the edge's streams; they are refused unless given
   * @param onReauth what becomes of its further questions; they stay without an answer unless given
   */
  async knock(
    created: Created,
    token: string,
    prove: RogueProver,
    { edgeKey, onOpen = () => "unknown_service", onReauth = () => {} }: {
      readonly edgeKey?: Uint8Array;
      readonly onOpen?: ChannelEvents["onOpen"];
      readonly onReauth?: (channel: Channel, challenge: ReauthChallenge) => void;
    } = {},
  ): Promise<Knock> {
    const [{ edge_url, edge_public_key }] = created.candidates;
    const { core } = this.#buffers;
    const carrier = await connectWebSocket(edge_url, {
      clock: systemClock,
      random: systemRandom,
      maxMessageBytes: MAX_RECORD_BYTES,
      mask: (_memory, start, end, key) => core.mask(start, end - start, key),
    });
    const pump = new ChannelPump({ ...carrier, buffers: this.#buffers, clock: systemClock });
    const end = Promise.withResolvers<string | undefined>();
    const ready = Promise.withResolvers<void>();
    const channel: Channel = new Channel({
      core,
      limits: CHANNEL_LIMITS,
      role: {
        side: "initiator",
        handshake: new HandshakeInitiator({
          suite: "hybrid",
          agentStatic: generateX25519KeyPair(systemRandom),
          edgeStatic: edgeKey ?? fromBase64Url(edge_public_key),
          random: systemRandom,
        }),
        stage0Token: token,
        version: "0.0.0",
      },
      events: {
        wake: pump.wake,
        onState() {},
        onChallenge: (challenge) => {
          prove(challenge).then((proof) => {
            channel.prove(proof, systemClock.now());
            pump.wake();
          }, () => channel.close(undefined, systemClock.now()));
        },
        onReady: () => ready.resolve(),
        onReauth: (challenge) => {
          onReauth(channel, challenge);
          pump.wake();
        },
        onOpen,
        onGoaway() {},
        onEcho() {},
        onEnd: (error: PosternError | undefined) => end.resolve(error?.code),
      },
    });
    const over = pump.run(channel, carrier.leftover);
    const knock: Knock = {
      ended: end.promise.then(async (code) => {
        await over;
        return code;
      }),
      ready: ready.promise,
      wake: pump.wake,
      close: () => {
        channel.close(undefined, systemClock.now());
        pump.wake();
      },
    };
    this.#knocks.push(knock);
    return knock;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const knock of this.#knocks) knock.close();
    await Promise.all(this.#knocks.map((knock) => knock.ended));
    this.#control.close();
  }
}
