import type { Network, TcpSocket, TlsClientOptions, TlsSocket } from "../../src/driver/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";

/** Calls in the order in which they came, of all sockets of one test. */
export type CallLog = string[];

/** A TCP socket over any byte stream, which writes down what is called on it. */
export function loggedSocket(stream: ByteStream, log: CallLog, name = "tcp"): TcpSocket {
  return {
    remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 443 },
    setNoDelay: (on) => void log.push(`${name}.setNoDelay(${on})`),
    ...logged(stream, log, name),
  };
}

function logged(stream: ByteStream, log: CallLog, name: string) {
  const note = (call: string) => {
    if (log.at(-1) !== `${name}.${call}`) log.push(`${name}.${call}`);
  };
  return {
    read: (into: Uint8Array) => (note("read"), stream.read(into)),
    write: (from: Uint8Array) => (note("write"), stream.write(from)),
    closeWrite: () => (note("closeWrite"), stream.closeWrite()),
    close: () => (note("close"), stream.close()),
  };
}

/** A TLS session that only passes bytes on. */
export function loggedTls(stream: ByteStream, log: CallLog): TlsSocket {
  return {
    remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 443 },
    handshake: () => {
      log.push("tls.handshake");
      return Promise.resolve({ alpnProtocol: "http/1.1" });
    },
    ...logged(stream, log, "tls"),
  };
}

/** A network whose connections lead to the given stream. */
export function loggedNetwork(stream: ByteStream, log: CallLog): Network {
  return {
    resolve: (hostname) => Promise.resolve([hostname]),
    connect: ({ hostname, port }) => {
      log.push(`connect ${hostname} ${port}`);
      return Promise.resolve(loggedSocket(stream, log));
    },
    startTls: (_: TcpSocket, { hostname, alpnProtocols }: TlsClientOptions) => {
      log.push(`startTls ${hostname} ${alpnProtocols}`);
      return Promise.resolve(loggedTls(stream, log));
    },
  };
}

/** A network in which connecting fails as told, or hangs until it is aborted. */
export function failingNetwork(outcome: (hostname: string) => Error | "hang"): Network & { aborted: number } {
  const network = {
    aborted: 0,
    resolve: (hostname: string) => Promise.resolve([hostname]),
    connect({ hostname, signal }: { hostname: string; signal: AbortSignal }): Promise<TcpSocket> {
      const error = outcome(hostname);
      if (error !== "hang") return Promise.reject(error);
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          network.aborted++;
          reject(new DOMException("aborted", "AbortError"));
        });
      });
    },
    startTls: () => Promise.reject(new Error("not reached")),
  };
  return network;
}
