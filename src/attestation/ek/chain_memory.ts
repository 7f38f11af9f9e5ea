import { createHash } from "node:crypto";
import type { EkTrust } from "./trust.ts";
import { verifyEkChain } from "./verify.ts";

/** Chains that are remembered: about 200 bytes each. */
const maxChains = 20_000;

interface Span {
  readonly notBeforeMs: number;
  readonly endsAtMs: number;
}

/**
 * Chains that were found to hold, so that a machine that attests every few minutes does not have the same signatures verified
 * each time. Nothing is remembered of refusals, nor beyond the trust that a chain was verified under.
 */
export class EkChainMemory {
  #trust: EkTrust | undefined;
  #spans = new Map<string, Span>();

  /** Throws what {@link verifyEkChain} throws. @param trust another object whenever anything in it is different */
  check(certificates: readonly Uint8Array[], trust: EkTrust, nowMs: number): void {
    if (this.#trust !== trust || this.#spans.size >= maxChains) this.#spans = new Map();
    this.#trust = trust;
    const key = keyOf(certificates);
    const span = this.#spans.get(key);
    if (span !== undefined && span.notBeforeMs <= nowMs && nowMs < span.endsAtMs) return;
    this.#spans.delete(key);
    const { notBeforeMs, endsAtMs } = verifyEkChain(certificates, trust, nowMs);
    this.#spans.set(key, { notBeforeMs, endsAtMs });
  }
}

/** The hash of all of them, each with its length in front. */
function keyOf(certificates: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const certificate of certificates) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, certificate.length);
    hash.update(length).update(certificate);
  }
  return hash.digest("base64");
}
