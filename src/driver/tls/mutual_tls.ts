/** TLS between nodes: 1.3 only, each end shows its certificate, and each end judges the other's by every check. */
import { setImmediate } from "node:timers";
import tls from "node:tls";
import { codeOf, PosternError } from "../../errors/mod.ts";
import type { PeerExpectation, VerifiedPeer } from "../../pki/mod.ts";
import type { ByteStream, Clock } from "../../ports/mod.ts";
import { within } from "../phase.ts";
import { acceptTls } from "./accept.ts";
import { GatedTransport } from "./gated_transport.ts";
import { HandshakeBudget } from "./handshake_budget.ts";
import type { NodeIdentity } from "./node_identity.ts";
import { judgePresented, type PresentedPeer, presentedPeer } from "./presented_peer.ts";
import { type SessionSocket, TlsStream } from "./tls_stream.ts";

/** What nodes speak over TLS: no browser and no other server of the machine is led here. */
export const NODE_PROTOCOL = "postern-node/1";
/** TCP is there; the rest of the handshake takes at most this long. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A ClientHello of at most 32 KiB, a chain of four certificates, and what is around them. */
const MAX_HANDSHAKE_BYTES = 65_536;
/** No DNS name: who a node is says its SPIFFE id, and a name in clear would tell others. */
const SERVER_NAME = "node.invalid";

/** What the other end has to be. */
export type ExpectedPeer = Pick<PeerExpectation, "expectedRole" | "expectedId" | "policy">;

export interface MutualTlsOptions {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly expected: ExpectedPeer;
  /** What the peer showed, before it is judged. */
  readonly onPresented?: (presented: PresentedPeer) => void;
  /** {@link HANDSHAKE_TIMEOUT_MS} unless given. */
  readonly timeoutMs?: number;
}

export interface MutualTlsConnection {
  readonly stream: ByteStream;
  readonly peer: VerifiedPeer;
  /** DER, as the peer showed it: it is judged again when trust changes. */
  readonly chain: readonly Uint8Array[];
}

/**
 * Finishes a handshake as the server; the stream is used up, also by a failure, which closes it. Whoever was not judged yet has
 * bounded time and bytes.
 * @throws PosternError `peer_session_resumed`, `peer_certificate_unverified`, `tls_handshake_oversized`, what
 * `checkPeerCertificate` and `acceptTls` throw
 */
export async function acceptMutualTls(
  tcp: ByteStream,
  { identity, clock, expected, onPresented, timeoutMs = HANDSHAKE_TIMEOUT_MS }: MutualTlsOptions,
): Promise<MutualTlsConnection> {
  const bounded = new HandshakeBudget(tcp, MAX_HANDSHAKE_BYTES);
  const { stream, presented } = await acceptTls(bounded, {
    contexts: identity,
    clock,
    timeoutMs,
    alpnProtocols: [NODE_PROTOCOL],
    asksForCertificate: true,
  });
  try {
    onPresented?.(presented ?? NOTHING);
    const peer = judgePresented(presented ?? NOTHING, identity.trust, {
      ...expected,
      nowMs: clock.wall(),
      usage: "client",
    });
    bounded.lift();
    return { stream, peer, chain: presented?.chain ?? [] };
  } catch (error) {
    stream.close();
    throw error;
  }
}

const NOTHING: PresentedPeer = { chain: [], isResumed: false, doubt: "no certificate was asked for" };

/**
 * Finishes a handshake as the client; the stream is used up, also by a failure, which closes it.
 * @throws PosternError `tls_timeout`, `tls_handshake_failed`, `connect_aborted`, and what {@link acceptMutualTls} throws of peers
 */
export async function connectMutualTls(
  tcp: ByteStream,
  options: MutualTlsOptions & { readonly signal?: AbortSignal },
): Promise<MutualTlsConnection> {
  const { identity, clock, expected, signal, timeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
  let socket: SessionSocket | undefined;
  const stop = () => {
    socket?.destroy();
    tcp.close();
  };
  try {
    const bounded = new HandshakeBudget(tcp, MAX_HANDSHAKE_BYTES);
    const transport = new GatedTransport(bounded);
    const { made, presented } = await within({
      clock,
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
      stop,
      late: () =>
        new PosternError(
          "tls_timeout",
          `Cannot speak TLS with ${tcp.remoteAddress}: no handshake within ${timeoutMs} ms`,
        ),
    }, async () => {
      const made = socket = clientSocket(transport, identity);
      await established(made, transport, tcp);
      return { made, presented: presentedPeer(made) };
    });
    if (made.alpnProtocol !== NODE_PROTOCOL) {
      throw new PosternError(
        "tls_no_common_protocol",
        `Cannot speak TLS with ${tcp.remoteAddress}: it does not speak ${NODE_PROTOCOL}`,
      );
    }
    options.onPresented?.(presented);
    const peer = judgePresented(presented, identity.trust, {
      ...expected,
      nowMs: clock.wall(),
      usage: "server",
    });
    bounded.lift();
    return { stream: new TlsStream(tcp, transport, made), peer, chain: presented.chain };
  } catch (error) {
    stop();
    throw error;
  }
}

/** `Deno.startTls` would ignore the certificate silently; node:tls shows it. */
function clientSocket(transport: GatedTransport, identity: NodeIdentity): SessionSocket {
  const socket = tls.connect({
    socket: transport,
    secureContext: identity.contextFor(),
    servername: SERVER_NAME,
    ALPNProtocols: [NODE_PROTOCOL],
    minVersion: "TLSv1.3",
    // Everything is judged after the handshake, where each refusal has its own code.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  let isTruncated = false;
  const { _read: read, push } = socket;
  socket._read = (bytes) => {
    read.call(socket, bytes);
    transport.wake();
  };
  socket.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null) isTruncated = transport.ended;
    return push.call(socket, chunk, encoding);
  };
  return Object.defineProperty(socket, "truncated", { get: () => isTruncated }) as SessionSocket;
}

function established(socket: SessionSocket, transport: GatedTransport, tcp: ByteStream): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(handshakeFailed(tcp, transport.fault ?? error));
    const ended = () => fail(new Error("the connection ended"));
    // These stay: an error without a listener ends the process.
    socket.on("error", fail);
    socket.on("_tlsError", fail);
    socket.once("secureConnect", resolve);
    socket.once("close", ended);
    transport.once("end", ended);
    setImmediate(() => transport.start(socket, new Uint8Array()));
  });
}

function handshakeFailed(tcp: ByteStream, cause: unknown): PosternError {
  if (cause instanceof PosternError && codeOf(cause) === "tls_handshake_oversized") return cause;
  const text = cause instanceof Error ? cause.message : "unknown error";
  const reason = text.replace(/[^ -~]/g, "?").slice(0, 200);
  return new PosternError("tls_handshake_failed", `Cannot speak TLS with ${tcp.remoteAddress}: ${reason}`, {
    cause,
    detail: { reason },
  });
}
