/** A handshake is judged once; a connection lasts. Those that stand are judged again whenever what they stand by changes. */
import { codeOf, errorOf, PosternError } from "../../errors/mod.ts";
import { checkNodeCertificate, peerClockSkewMs, readPresented, type VerifiedPeer } from "../../pki/mod.ts";
import type { Clock } from "../../ports/mod.ts";
import type { ExpectedPeer, MutualTlsConnection } from "./mutual_tls.ts";
import type { NodeIdentity } from "./node_identity.ts";

/** How often those that stand are judged though nothing changed: revocation lists grow old without being told. */
const EVERY_MS = 30_000;

/** Time for open work of a peer that was revoked with severity `drain`. */
const REVOCATION_DRAIN_MS = 30_000;

export interface WatchedPeer {
  /** As it was judged last. */
  readonly peer: VerifiedPeer;
  /** Whether it was revoked, and has only the time that its open work may take. */
  readonly isDraining: boolean;
  /**
   * Takes the chain of a renewed certificate, whose key the peer has proved. Throws what `checkPeerCertificate` throws, and then
   * the old one counts on.
   */
  renew(chain: readonly Uint8Array[]): void;
  /** What is expected of it may have changed. */
  judge(): void;
  /** It is over: nobody is told any more. */
  end(): void;
}

export interface PeerWatchOptions {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly connection: MutualTlsConnection;
  readonly expected: ExpectedPeer;
  /** What the peer is in this connection. */
  readonly usage: "client" | "server";
  /** Once: it does not count any more. */
  readonly onRefused: (error: unknown) => void;
}

export function watchPeer(options: PeerWatchOptions): WatchedPeer {
  const { identity, clock, connection, usage, onRefused } = options;
  let { peer } = connection;
  let leaf = readPresented(connection.chain);
  let isOver = false;
  /** On the monotonic clock: when a peer that drains is over. */
  let drainedAtMs: number | undefined;
  let cancel = () => {};
  const judge = (shown: typeof leaf) =>
    checkNodeCertificate(shown, identity.trust.bundle, identity.trust.revocations, {
      ...options.expected,
      expectedRole: connection.peer.role,
      // Whatever is renewed, it stays the node that it was.
      expectedId: connection.peer.id,
      nowMs: clock.wall(),
      usage,
    });
  const end = () => {
    isOver = true;
    cancel();
    forget();
  };
  const again = () => {
    if (isOver) return;
    try {
      peer = judge(leaf);
      drainedAtMs = undefined;
    } catch (error) {
      if (mayDrain(error)) {
        drainedAtMs ??= clock.now() + REVOCATION_DRAIN_MS;
        if (clock.now() < drainedAtMs) return arm();
      }
      end();
      onRefused(error);
      return;
    }
    arm();
  };
  const arm = () => {
    cancel();
    const endsInMs = peer.endsAtMs + peerClockSkewMs + 1_000 - clock.wall();
    const drainsInMs = drainedAtMs === undefined ? EVERY_MS : drainedAtMs - clock.now();
    cancel = clock.schedule(clock.now() + Math.max(1, Math.min(EVERY_MS, endsInMs, drainsInMs)), again);
  };
  const forget = identity.onTrust(again);
  arm();
  return {
    get peer() {
      return peer;
    },
    get isDraining() {
      return drainedAtMs !== undefined;
    },
    judge: again,
    renew(shown) {
      if (isOver) {
        throw new PosternError("connection_closed", "Cannot renew the peer: its connection is over");
      }
      const next = readPresented(shown);
      peer = judge(next);
      leaf = next;
      arm();
    },
    end,
  };
}

/** All else counts at once: a certificate that is over, a policy that changed, a revocation that cuts. */
function mayDrain(error: unknown): boolean {
  return codeOf(error) === "peer_certificate_revoked" && errorOf(error).detail.severity === "drain";
}
