/** `postern connect`: a private service as it is used on this machine. */
import { toBase64Url } from "../../src/bytes/mod.ts";
import type { VerifiedPrivatePeer } from "../../src/channel/mod.ts";
import type { Address, AgentConfig } from "../../src/config/mod.ts";
import { Deadlines, Slabs, systemClock, systemRandom, WireBuffers } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { readGrant } from "../../src/grants/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import { requestIds } from "../../src/telemetry/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import { version } from "../../src/version.ts";
import { boundKeyIdentity } from "../bound_key_identity.ts";
import { openControlAccess } from "../control_access.ts";
import { ControlClient } from "../control_client.ts";
import { carryConnection } from "./local_connection.ts";
import { LocalDatagrams } from "./local_datagrams.ts";
import { LocalListener } from "./local_listener.ts";
import { openPrivateParts } from "./open_parts.ts";
import { PrivateConnector } from "./private_connector.ts";
import { type Stdio, StdioStream } from "./stdio_stream.ts";

export interface ConnectOptions {
  /** `NAME`, or `OWNER/NAME`. */
  readonly service: string;
  /** A listening socket, or one connection over standard input and output. */
  readonly use: { readonly listen: Address } | { readonly stdio: Stdio };
}

export interface RunningConnect {
  /** Where programs of this machine connect to; undefined for standard input and output. */
  readonly address: string | undefined;
  /** The other endpoint. */
  readonly peer: VerifiedPrivatePeer;
  stop(): Promise<void>;
  /** Settles when it is over: rejects with what ended it. */
  readonly finished: Promise<void>;
}

/**
 * Resolves when the private service can be used. The channel is made anew, by another grant, whenever it ends.
 * @throws PosternError what control refuses with, `private_*`, `grant_*`, `relay_*`, `listen_failed`, and the codes of files
 */
export async function startConnect(
  config: AgentConfig,
  { service, use }: ConnectOptions,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<RunningConnect> {
  const [clock, random] = [systemClock, systemRandom];
  const { directory, caCerts, proxyFor, tokenFile } = await openControlAccess(config, log);
  // Who has a TPM is told by the key of its endpoint: quotes are for control.
  const provider = config.tpm === null
    ? await boundKeyIdentity(config.identityFile ?? `${directory}/identity.key`, random)
    : undefined;
  const control = new ControlClient({
    url: config.control,
    clock,
    random,
    caCerts,
    proxyFor,
    token: tokenFile === undefined ? undefined : () => tokenFile.read(),
    userAgent: `postern/${version}`,
  });
  const buffers = new WireBuffers(loadCore());
  const parts = await openPrivateParts({
    config,
    directory,
    provider,
    buffers,
    caCerts,
    proxyFor,
    clock,
    random,
    log,
    version,
  });
  const connector = new PrivateConnector({
    ...parts,
    service,
    retry: config.retry,
    log,
    grant: async (signal) => {
      const { grant_client } = await control.initChannel(
        { service, client_static_key: toBase64Url(parts.staticKeys.publicKey) },
        signal,
      );
      return readGrant(grant_client, { role: "client", nowMs: clock.wall() });
    },
  });
  const giveUp = () => void connector.stop(0);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    const peer = await connector.online;
    const local = opened(use, connector, { log, service });
    const stop = async () => {
      const late = new AbortController();
      const cancel = clock.schedule(clock.now() + config.drainTimeoutMs, () => late.abort());
      await local.stop(late.signal);
      cancel();
      await connector.stop(0);
      control.close();
    };
    let stopping: Promise<void> | undefined;
    const over = Promise.race([
      connector.done.then((error) => {
        if (error !== undefined) throw error;
      }),
      local.over,
    ]);
    return {
      address: local.address,
      peer,
      stop: () => stopping ??= stop(),
      finished: over.finally(() => stopping ??= stop()),
    };
  } catch (error) {
    await connector.stop(0);
    control.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** What of this machine is joined with the service. */
interface Local {
  readonly address: string | undefined;
  /** Resolves when there is nothing more to be carried. */
  readonly over: Promise<void>;
  stop(signal: AbortSignal): Promise<void>;
}

function opened(
  use: ConnectOptions["use"],
  connector: PrivateConnector,
  { log, service }: { readonly log: Log; readonly service: string },
): Local {
  const newRequestId = requestIds(systemRandom);
  const slabs = new Slabs();
  const [clock, never] = [systemClock, new Promise<void>(() => {})];
  if ("stdio" in use) {
    const abort = new AbortController();
    const carried = carryConnection(new StdioStream(use.stdio), {
      connector,
      slabs,
      requestId: newRequestId(),
      signal: abort.signal,
    }).then((reason) => {
      if (reason === undefined) return;
      throw new PosternError("private_stream_cut", `Cannot go on with ${service}: ${reason}`, {
        detail: { reason },
      });
    });
    return {
      address: undefined,
      over: carried,
      stop: async (signal) => {
        const cut = () => abort.abort();
        if (signal.aborted) cut();
        signal.addEventListener("abort", cut, { once: true });
        await carried.catch(() => {}); // told by `over`
      },
    };
  }
  const { listen } = use;
  if (connector.session?.kind === "udp") {
    const deadlines = new Deadlines(clock);
    const datagrams = new LocalDatagrams({ listen, connector, clock, deadlines, newRequestId });
    return {
      address: datagrams.address,
      over: never,
      stop: () => Promise.resolve(datagrams.stop()),
    };
  }
  const listener = new LocalListener({ listen, connector, slabs, clock, log, newRequestId });
  return { address: listener.address, over: never, stop: (signal) => listener.stop(signal) };
}
