/** TLS as a server, on any byte stream. */
import tls from "node:tls";
import { PosternError } from "../../errors/mod.ts";
import type { ByteStream, Clock } from "../../ports/mod.ts";
import { alertRecord, type ClientHello, TlsAlert } from "../../wire/tls/mod.ts";
import { within } from "../phase.ts";
import { writeAll } from "../tcp_stream.ts";
import { peekClientHello } from "./hello_peek.ts";
import { TlsServerSocket } from "./tls_server_socket.ts";
import { TlsServerStream } from "./tls_socket_stream.ts";

/** The only protocol that is spoken over TLS here. */
const defaultProtocols: readonly string[] = ["http/1.1"];

/** Where the certificate for a name is found. */
export interface ServerContexts {
  /** For a lower-case DNS name, or for clients that name none; undefined refuses the connection. */
  contextFor(serverName: string | undefined): tls.SecureContext | undefined;
}

export interface TlsAcceptOptions {
  readonly contexts: ServerContexts;
  readonly clock: Clock;
  /** For the ClientHello and the handshake together. */
  readonly timeoutMs: number;
  /** What was read from the stream before. */
  readonly peeked?: Uint8Array;
  /** Offered by ALPN; `http/1.1` unless given. Clients without ALPN are accepted. */
  readonly alpnProtocols?: readonly string[];
}

export interface AcceptedTls {
  readonly stream: ByteStream;
  /** As the client sent it, in lower case; the certificate was chosen by it. */
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
}
