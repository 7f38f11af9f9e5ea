/** What a peer showed in a TLS handshake, and whether it is who it should be. */
import type { PeerCertificate, TLSSocket } from "node:tls";
import { PosternError } from "../../errors/mod.ts";
import {
  checkPeerCertificate,
  formatSpiffeId,
  parseSpiffeId,
  type PeerExpectation,
  readNodeCertificate,
  type VerifiedPeer,
} from "../../pki/mod.ts";
import type { NodeTrust } from "./node_identity.ts";

/** Leaf, issuing CA, root: what follows is not looked at. */
const MAX_CHAIN = 4;

export interface PresentedPeer {
  /** DER, its own certificate first; empty when it showed none. */
  readonly chain: readonly Uint8Array[];
  /** Whether an earlier session was resumed, in which nobody may have been asked for a certificate. */
  readonly isResumed: boolean;
  /** Why the TLS library does not believe the chain; undefined when it does. */
  readonly doubt: string | undefined;
}

/** Reads it from a socket whose handshake is over; the handshake has proved that the peer holds the key of its certificate. */
export function presentedPeer(socket: TLSSocket): PresentedPeer {
  return { chain: chainOf(socket), isResumed: socket.isSessionReused(), doubt: doubtOf(socket) };
}

function chainOf(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  let one: Partial<PeerCertificate> & { issuerCertificate?: PeerCertificate } | undefined = socket
    .getPeerCertificate(true);
  while (one?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(Uint8Array.from(one.raw));
    one = one.issuerCertificate === one ? undefined : one.issuerCertificate;
  }
  return chain;
}

/**
 * A bare server-side socket enforces nothing and says `authorized: false` for everybody; what its handle answers is a text, and
 * every text but the empty one is a doubt. A library that cannot be asked is one as well.
 */
function doubtOf(socket: TLSSocket): string | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { verifyError?: () => unknown } };
  if (typeof handle?.verifyError !== "function") return "the TLS library cannot be asked";
  const said = handle.verifyError();
  return said === "" || said === undefined || said === null ? undefined : String(said).slice(0, 100);
}

/** The SPIFFE id that a certificate claims: for the log of a refusal, never to be believed. */
export function claimedName({ chain: [leaf] }: PresentedPeer): string | undefined {
  try {
    return leaf && formatSpiffeId(parseSpiffeId(readNodeCertificate(leaf).extensions.uris[0] ?? ""));
  } catch {
    return undefined;
  }
}

/**
 * Every check. @throws PosternError `peer_session_resumed`, `peer_certificate_unverified`, and what `checkPeerCertificate` throws
 */
export function judgePresented(
  presented: PresentedPeer,
  { bundle, revocations }: NodeTrust,
  expectation: PeerExpectation,
): VerifiedPeer {
  // Tickets are shared by all TLS servers of a runtime: one of a server that asks nobody for a certificate resumes here.
  if (presented.isResumed) {
    throw new PosternError(
      "peer_session_resumed",
      "Cannot accept the peer: it resumed an earlier TLS session",
    );
  }
  const peer = checkPeerCertificate(presented.chain, bundle, revocations, expectation);
  if (presented.doubt !== undefined) {
    throw new PosternError(
      "peer_certificate_unverified",
      "Cannot accept the peer's certificate: the TLS library does not verify it",
      { detail: { reason: presented.doubt } },
    );
  }
  return peer;
}
