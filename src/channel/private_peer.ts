/**
 * Whether the other endpoint of a private channel is who it has to be: every check, in one place, for both sides. The secret of
 * the grant is not among them; the handshake itself ends without it.
 */
import { createHash } from "node:crypto";
import { boundKeyAgent } from "../attestation/mod.ts";
import { signatureHolds } from "../attestation/ek/mod.ts";
import { equalConstantTime, fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import { readNodeCertificate, type VerifiedPeer } from "../pki/mod.ts";
import type { PrivatePeer } from "./private_handshake.ts";
import type { IdentityProof } from "./private_messages.ts";
import { checkWindow, PRIVATE_CLOCK_SKEW_MS, type PrivateTerms } from "./private_terms.ts";

/**
 * What is known of the other endpoint, strongest first. `pinned`: its key is one that the user named. `certified`: a
 * certificate that this node's own trust vouches for. `named`: the key, or the agent, that control said. `granted`: it holds
 * the secret of the grant, and nobody said more about it.
 */
export type PeerAssurance = "pinned" | "certified" | "named" | "granted";

export interface PeerDemands {
  readonly terms: PrivateTerms;
  /** Wall clock, Unix milliseconds. */
  readonly wallMs: number;
  /** Fingerprints of which the peer's must be one; none: any. */
  readonly pins: readonly string[];
  /** Static key that control named, 32 bytes. */
  readonly namedKey?: Uint8Array;
  /** Agent that control named. */
  readonly namedAgentId?: string;
  /** Judges a chain of DER certificates; absent where this endpoint holds no trust bundle. Throws `peer_*` and more. */
  readonly checkCertificate?: (chain: readonly Uint8Array[]) => VerifiedPeer;
}

/** An endpoint that passed every check. Made here only. */
export interface VerifiedPrivatePeer {
  readonly fingerprint: string;
  readonly assurance: PeerAssurance;
  /** Proven by a signature of the agent's own key. */
  readonly agentId?: string;
  /** Proven by a certificate. */
  readonly spiffeId?: string;
  readonly version: string;
}

/** Of an endpoint's static key; what is pinned. */
export function privateFingerprint(staticKey: Uint8Array): string {
  return `sha256:${toBase64Url(new Uint8Array(createHash("sha256").update(staticKey).digest()))}`;
}

/** @throws PosternError `private_pin_malformed` */
export function checkPin(pin: string): string {
  if (/^sha256:[A-Za-z0-9_-]{43}$/.test(pin)) return pin;
  throw new PosternError("private_pin_malformed", "Cannot use pin: it is no fingerprint of an endpoint");
}

/**
 * @throws PosternError `private_window_over`, `private_clock_skew`, `private_pin_mismatch`, `private_peer_mismatch`,
 * `private_identity_invalid`
 */
export async function judgePrivatePeer(
  peer: PrivatePeer,
  demands: PeerDemands,
): Promise<VerifiedPrivatePeer> {
  const { terms, wallMs, pins, namedKey, namedAgentId } = demands;
  const { introduction, staticKey } = peer;
  checkWindow(terms, wallMs);
  if (Math.abs(introduction.time * 1_000 - wallMs) > PRIVATE_CLOCK_SKEW_MS + 1_000) { // it told whole seconds
    throw refused("private_clock_skew", "the clocks of the two endpoints differ");
  }
  const fingerprint = privateFingerprint(staticKey);
  if (pins.length > 0 && !pins.includes(fingerprint)) {
    throw refused("private_pin_mismatch", `the other endpoint has the key ${fingerprint}`);
  }
  if (namedKey !== undefined && !equalConstantTime(namedKey, staticKey)) {
    throw refused("private_peer_mismatch", "the other endpoint has another key than control named");
  }
  let agentId: string | undefined;
  let spiffeId: string | undefined;
  for (const proof of introduction.proofs) {
    if (proof.kind === "bound-key") agentId = await agentOf(proof, peer.transcript);
    else spiffeId = nodeOf(proof, peer.transcript, demands);
  }
  // An agent that proves none, as those with a TPM, is told by its key.
  if (namedAgentId !== undefined && agentId !== undefined && agentId !== namedAgentId) {
    throw refused("private_peer_mismatch", "the other endpoint is another agent than control named");
  }
  const isNamed = namedKey !== undefined || (namedAgentId !== undefined && agentId !== undefined);
  const assurance = pins.length > 0
    ? "pinned"
    : spiffeId !== undefined
    ? "certified"
    : isNamed
    ? "named"
    : "granted";
  return {
    fingerprint,
    assurance,
    version: introduction.version,
    ...(agentId === undefined ? {} : { agentId }),
    ...(spiffeId === undefined ? {} : { spiffeId }),
  };
}

async function agentOf(
  proof: IdentityProof & { kind: "bound-key" },
  transcript: Uint8Array,
): Promise<string> {
  try {
    const signature = fromBase64Url(proof.signature);
    return await boundKeyAgent(fromBase64Url(proof.identity_key), signature, Uint8Array.from(transcript));
  } catch (cause) {
    throw refused("private_identity_invalid", "its agent's key did not sign this handshake", cause);
  }
}

/** Undefined where nobody can judge it: a certificate of a cluster that this endpoint knows nothing of proves nothing. */
function nodeOf(
  proof: IdentityProof & { kind: "certificate" },
  transcript: Uint8Array,
  { checkCertificate }: PeerDemands,
): string | undefined {
  if (checkCertificate === undefined) return undefined;
  let verified: VerifiedPeer;
  let holds: boolean;
  try {
    const chain = proof.chain.map((one) => fromBase64Url(one));
    verified = checkCertificate(chain);
    const { key } = readNodeCertificate(chain[0]);
    holds = signatureHolds({ kind: "ecc", hash: "sha256" }, key, transcript, fromBase64Url(proof.signature));
  } catch (cause) {
    throw refused("private_identity_invalid", "its certificate does not hold", cause);
  }
  if (!holds) {
    throw refused("private_identity_invalid", "the key of its certificate did not sign this handshake");
  }
  return verified.spiffeId;
}

function refused(code: ErrorCode, state: string, cause?: unknown): PosternError {
  return new PosternError(code, `Cannot open private channel: ${state}`, { cause });
}
