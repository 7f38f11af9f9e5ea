/** A private service as a program uses it: without settings, files and sockets of this machine. */
import { toBase64Url } from "../../src/bytes/mod.ts";
import { CHANNEL_LIMITS, checkPin, type VerifiedPrivatePeer } from "../../src/channel/mod.ts";
import { generateX25519KeyPair, x25519KeyPair } from "../../src/crypto/mod.ts";
import { systemClock, systemRandom, WireBuffers } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { readGrant } from "../../src/grants/mod.ts";
import type { MuxStream, StreamHandler } from "../../src/mux/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import { newRequestId, noLog } from "../../src/telemetry/mod.ts";
import { version } from "../../src/version.ts";
import { MAX_RECORD_BYTES, streamClass } from "../../src/wire/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import { ControlClient } from "../control_client.ts";
import { attachToRelay } from "./attach.ts";
import { endpointIdentity } from "./endpoint_identity.ts";
import { PrivateConnector } from "./private_connector.ts";
import { type PrivateStream, webStream } from "./web_stream.ts";

export interface ConnectPrivateOptions {
  /** Control plane: an `https:` URL, or several of one cluster. */
  readonly control: string | readonly string[];
  /** Management token of an owner who may connect; asked for anew for each channel where it is a function. Secret. */
  readonly token: string | (() => string | Promise<string>);
  /** `NAME` of a private service of that owner, or `OWNER/NAME`. */
  readonly service: string;
  /** Fingerprints of which the other endpoint must have one. None: whoever control names is believed. */
  readonly pins?: readonly string[];
  /** Private X25519 key of this endpoint, 32 bytes, where others pin it; drawn anew when absent. Secret. */
  readonly privateKey?: Uint8Array;
  /** PEM, trusted besides the machine's own authorities. */
  readonly caCerts?: readonly string[];
  /** Hide the lengths of records from the relay. */
  readonly padding?: boolean;
  /** Told of channels that open and end; no secrets. */
  readonly log?: Log;
  /** Gives up the first attempt. */
  readonly signal?: AbortSignal;
}

export interface PrivateConnection extends AsyncDisposable {
  /** The other endpoint, as the first channel showed it. */
  readonly peer: VerifiedPrivatePeer;
  /**
   * Opens a stream to the service: one connection to its target. Waits for a channel for up to 15 s when there is none.
   * @throws PosternError `private_unreachable`, `private_kind_mismatch` for a udp service, and what ended it for good
   */
  open(): Promise<PrivateStream>;
  /** Ends the channel and every stream. Idempotent. */
  close(): Promise<void>;
  /** Settles at the end: resolves after {@link close}, rejects with what ended it for good. */
  readonly closed: Promise<void>;
}

/**
 * Resolves when the service can be used. A channel that ends is replaced by another grant; its streams are cut.
 * @throws PosternError what control refuses with, `private_*`, `grant_*`, `relay_*`
 */
export async function connectPrivate(options: ConnectPrivateOptions): Promise<PrivateConnection> {
  const connection = await openConnection(options);
  const close = () => connection.close();
  return {
    peer: connection.peer,
    open: async () => webStream(await connection.streams()),
    close,
    closed: connection.closed,
    [Symbol.asyncDispose]: close,
  };
}

interface OpenConnection {
  readonly peer: VerifiedPrivatePeer;
  /** Waits for a channel; what it resolves to opens one stream of it at once. */
  streams(): Promise<(handler: StreamHandler) => MuxStream>;
  close(): Promise<void>;
  readonly closed: Promise<void>;
}

const CLASS = streamClass("storage_fetch");
const RETRY = Object.freeze({ initialMs: 1_000, maxMs: 30_000, maxElapsedMs: 0 });

async function openConnection(options: ConnectPrivateOptions): Promise<OpenConnection> {
  const { service, token, caCerts, privateKey, log = noLog, signal } = options;
  const [clock, random] = [systemClock, systemRandom];
  const control = new ControlClient({
    url: options.control,
    clock,
    random,
    caCerts,
    token: async () => typeof token === "string" ? token : await token(),
    userAgent: `postern/${version}`,
  });
  const buffers = new WireBuffers(loadCore());
  const staticKeys = privateKey === undefined ? generateX25519KeyPair(random) : x25519KeyPair(privateKey);
  const identity = endpointIdentity({ clock });
  const connector = new PrivateConnector({
    connect: (grant, signal) =>
      attachToRelay(grant, {
        clock,
        random,
        caCerts,
        maxMessageBytes: MAX_RECORD_BYTES,
        mask: (_memory, start, end, key) => buffers.core.mask(start, end - start, key),
      }, signal),
    staticKeys,
    identity: () => Promise.resolve(identity),
    pins: (options.pins ?? []).map(checkPin),
    suites: ["hybrid"],
    limits: { ...CHANNEL_LIMITS, padding: options.padding ?? false },
    buffers,
    clock,
    random,
    version,
    service,
    retry: RETRY,
    log,
    grant: async (signal) => {
      const { grant_client } = await control.initChannel(
        { service, client_static_key: toBase64Url(staticKeys.publicKey) },
        signal,
      );
      return readGrant(grant_client, { role: "client", nowMs: clock.wall() });
    },
  });
  const close = async () => {
    await connector.stop(0);
    control.close();
  };
  const closed = connector.done.then((error) => {
    control.close();
    if (error !== undefined) throw error;
  });
  closed.catch(() => {}); // whoever is interested looks by itself
  const giveUp = () => void close();
  signal?.addEventListener("abort", giveUp, { once: true });
  if (signal?.aborted) giveUp();
  try {
    return {
      peer: await connector.online,
      streams: async () => {
        const session = await connector.acquire(new AbortController().signal);
        if (session.kind === "udp") {
          throw new PosternError(
            "private_kind_mismatch",
            "Cannot open stream: the private service is a udp one",
          );
        }
        return (handler) =>
          session.open({ class: CLASS, viewer: "", requestId: newRequestId(random) }, handler);
      },
      close,
      closed,
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
}
