/** Makes what serves viewers and agents: in one thread, or in several. */
import { loadCore } from "../wasm/mod.ts";
import { type EdgeConfig, formatAddress } from "./config/mod.ts";
import { WireBuffers } from "./driver/mod.ts";
import { type CertificateFiles, CertificateStore } from "./driver/tls/mod.ts";
import {
  type AttachGate,
  type AttachRefusal,
  type AttestationDesk,
  Edge,
  type EdgeOptions,
  type EdgePlane,
  LocalRegistry,
  RelayGate,
  type TokenGate,
} from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import { createTracer } from "./telemetry/mod.ts";
import { version } from "./version.ts";
import { WorkerPlane } from "./workers/mod.ts";

/** What makes a plane: in one thread or several. */
export interface PlaneOptions
  extends Omit<EdgeOptions, "registry" | "certificates" | "tracer" | "buffers" | "relay"> {
  /** What sessions are judged by. */
  readonly tokens: TokenGate;
  readonly attestations: AttestationDesk;
  /** What halves of private channels are judged by, and who hears of those that are not taken. */
  readonly attaches: AttachGate;
  readonly onAttachRefused: (refusal: AttachRefusal) => void;
  readonly certificateFiles: CertificateFiles | undefined;
  /** As `EdgeDeps.workerEntry`. */
  readonly workerEntry: string | undefined;
}

/** Throws codes of certificates. */
export async function makePlane(
  { tokens, attestations, attaches, onAttachRefused, certificateFiles, workerEntry, ...common }: PlaneOptions,
): Promise<EdgePlane> {
  const { config, metrics, log, clock } = common;
  const relay = new RelayGate({
    config: config.relay,
    edgeId: common.edgeId,
    attaches,
    clock,
    log,
    metrics,
    onRefused: onAttachRefused,
  });
  if (config.workers > 1) {
    if (workerEntry === undefined) throw new TypeError("no module for workers was given");
    return new WorkerPlane({ ...common, tokens, attestations, relay, certificateFiles, entry: workerEntry });
  }
  const certificates = certificateFiles === undefined
    ? undefined
    : await CertificateStore.load({ files: [certificateFiles] });
  for (const warning of certificates?.warnings ?? []) log("warn", warning);
  return new Edge({
    ...common,
    relay,
    tracer: createTracer({ ...config.otel, version }),
    buffers: new WireBuffers(loadCore()),
    registry: (parts) => new LocalRegistry({ config, metrics, tokens, attestations, ...parts }),
    certificates,
  });
}

/** Throws `listen_failed`. */
export async function startPlane(edge: EdgePlane, config: EdgeConfig): Promise<void> {
  try {
    await edge.start();
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw listenFailed(formatAddress(config.listen), cause);
  }
}

function listenFailed(address: string, cause: unknown): PosternError {
  const state = cause instanceof Deno.errors.AddrInUse ? "it is in use" : "the system refuses";
  return new PosternError("listen_failed", `Cannot listen on ${address}: ${state}`, {
    cause,
    detail: { address },
  });
}
