/** Accepting TLS on any byte stream. */
import { setImmediate } from "node:timers";
import type { SecureContext } from "node:tls";
import { codeOf, PosternError } from "../../errors/mod.ts";
import type { ByteStream, Clock } from "../../ports/mod.ts";
import { alertRecord, TlsAlert } from "../../wire/tls/mod.ts";
import { within } from "../phase.ts";
import { writeAll } from "../tcp_stream.ts";
import { GatedTransport } from "./gated_transport.ts";
import { peekClientHello, type PeekedHello } from "./hello_peek.ts";
import { type PresentedPeer, presentedPeer } from "./presented_peer.ts";
import { TlsServerSocket } from "./tls_server_socket.ts";
import { TlsStream } from "./tls_stream.ts";

/** The only protocol that is spoken over TLS here. */
const defaultProtocols: readonly string[] = ["http/1.1"];

/** Where the certificate for a name is found. */
export interface ServerContexts {
  /** For a lower-case DNS name, or for clients that name none; undefined refuses the connection. */
  contextFor(serverName: string | undefined): SecureContext | undefined;
}

export interface TlsAcceptOptions {
  readonly contexts: ServerContexts;
  readonly clock: Clock;
  /** For the ClientHello and the handshake together. */
  readonly timeoutMs: number;
  /** What was read from the stream before. */
  readonly peeked?: Uint8Array;
  /** The ClientHello, when {@link readClientHello} has read it already. */
  readonly hello?: PeekedHello;
  /** Offered by ALPN; `http/1.1` unless given. Clients without ALPN are accepted. */
  readonly alpnProtocols?: readonly string[];
  /** Clients are asked for a certificate, which is not judged, and have to offer one of `alpnProtocols`. */
  readonly asksForCertificate?: boolean;
}

export interface AcceptedTls {
  readonly stream: ByteStream;
  /** As the client sent it, in lower case; its certificate was chosen by it. */
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  /** Not judged; undefined unless certificates are asked for. */
  readonly presented: PresentedPeer | undefined;
}

/**
 * Finishes a TLS handshake as the server; the stream is used up, also by a failure, which closes it.
 * Throws `tls_malformed_hello` (the client gets alert 50), `tls_no_common_protocol` (120), `tls_unknown_name` (112),
 * `tls_handshake_failed`, `tls_timeout`, and what the stream itself throws.
 */
export async function acceptTls(tcp: ByteStream, options: TlsAcceptOptions): Promise<AcceptedTls> {
  const { timeoutMs, clock } = options;
  let socket: TlsServerSocket | undefined;
  const stop = () => {
    socket?.destroy();
    tcp.close();
  };
  try {
    return await within({
      clock,
      timeoutMs,
      stop,
      late: () =>
        new PosternError(
          "tls_timeout",
          `Cannot accept TLS from ${tcp.remoteAddress}: no handshake within ${timeoutMs} ms`,
        ),
    }, () => handshake(tcp, options, (made) => socket = made));
  } catch (error) {
    stop();
    throw error;
  }
}

async function handshake(
  tcp: ByteStream,
  options: TlsAcceptOptions,
  made: (socket: TlsServerSocket) => void,
): Promise<AcceptedTls> {
  const protocols = options.alpnProtocols ?? defaultProtocols;
  const { hello, bytes } = options.hello ?? await readClientHello(tcp, options.peeked);
  // Certificate, route and refusal follow from one reading of the ClientHello: a callback of the library might
  // read it in another way, and a ClientHello without a common protocol must not get to the library at all.
  const { asksForCertificate = false } = options;
  const offered = hello.alpnProtocols ?? (asksForCertificate ? [] : undefined);
  if (offered?.some((name) => protocols.includes(name)) === false) {
    return await refuseTls(tcp, TlsAlert.noApplicationProtocol, noCommonProtocol(tcp));
  }
  const context = options.contexts.contextFor(hello.serverName);
  if (context === undefined) return await refuseTls(tcp, TlsAlert.unrecognizedName, unknownName(tcp));
  const transport = new GatedTransport(tcp);
  const socket = new TlsServerSocket(transport, context, protocols, asksForCertificate);
  made(socket);
  try {
    await established(transport, socket, bytes);
  } catch (cause) {
    const error = handshakeFailed(tcp, cause);
    // Unless a part of a handshake was sent, the client reads an alert in clear.
    if (transport.handedBytes > 0 || transport.failed) throw error;
    return await refuseTls(tcp, alertFor(error), error);
  }
  return {
    stream: new TlsStream(tcp, transport, socket),
    serverName: hello.serverName,
    alpn: socket.alpnProtocol || undefined,
    presented: asksForCertificate ? presentedPeer(socket) : undefined,
  };
}

/**
 * Reads the ClientHello, and nothing of it is lost: `bytes` of the result begin with `peeked`. The caller bounds the time.
 * Throws `tls_malformed_hello`, of which the client is told, `tls_handshake_failed`, and what the stream itself throws.
 */
export async function readClientHello(
  tcp: ByteStream,
  peeked: Uint8Array = new Uint8Array(),
): Promise<PeekedHello> {
  try {
    return await peekClientHello(tcp, peeked);
  } catch (error) {
    if (codeOf(error) !== "tls_malformed_hello") throw error;
    return await refuseTls(tcp, TlsAlert.decodeError, error);
  }
}

function established(transport: GatedTransport, socket: TlsServerSocket, first: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(transport.fault ?? error);
    const ended = () => fail(new Error("the connection ended"));
    // These stay: an error without a listener ends the process.
    socket.on("error", fail);
    socket.on("_tlsError", fail);
    socket.once("secure", resolve);
    socket.once("close", ended);
    transport.once("end", ended);
    // The socket starts on the next tick, and must have done so before it gets bytes.
    setImmediate(() => transport.start(socket, first));
  });
}

/** Tells a client that has seen nothing yet why, in clear; then throws the error. */
export async function refuseTls(tcp: ByteStream, alert: TlsAlert, error: unknown): Promise<never> {
  await sendAlert(tcp, alert);
  throw error;
}

/** Tells a client that has seen nothing yet why its connection ends, unless it is gone. */
export async function sendAlert(tcp: ByteStream, alert: TlsAlert): Promise<void> {
  try {
    await writeAll(tcp, alertRecord(alert));
    await tcp.closeWrite();
  } catch {
    // It is gone already.
  }
}

function noCommonProtocol(tcp: ByteStream): PosternError {
  return new PosternError(
    "tls_no_common_protocol",
    `Cannot accept TLS from ${tcp.remoteAddress}: no protocol that it offers is served here`,
  );
}

/** Of a name that is not served: alert 112. */
export function unknownName(tcp: ByteStream): PosternError {
  return new PosternError(
    "tls_unknown_name",
    `Cannot accept TLS from ${tcp.remoteAddress}: it asks for a name that is not served here`,
  );
}

function handshakeFailed(tcp: ByteStream, cause: unknown): PosternError {
  if (cause instanceof PosternError) return cause;
  const text = cause instanceof Error ? cause.message : "unknown error";
  const reason = text.replace(/[^ -~]/g, "?").slice(0, 200);
  return new PosternError("tls_handshake_failed", `Cannot accept TLS from ${tcp.remoteAddress}: ${reason}`, {
    cause,
    detail: { reason },
  });
}

/** The library's own alert is lost with its socket; the version is what clients can do something about. */
function alertFor(error: PosternError): TlsAlert {
  return /version|Tls1[23]|SignatureAlgorithmsExtensionRequired/i.test(error.message)
    ? TlsAlert.protocolVersion
    : TlsAlert.handshakeFailure;
}
