/** Failures of the channel: handshake stages, liveness, drain, fencing. */
import type { ErrorFacts } from "../error.ts";

export const CHANNEL_ERRORS = {
  internal_error: {
    title: "Internal error",
    blame: "local",
    retryable: true,
    status: 500,
    exit: 1,
    cause: "Postern met a state that it does not expect. This is a bug.",
    remedy: "Look for the log line with the same request id and report it.",
  },
  channel_closed: {
    title: "Channel is closed",
    blame: "local",
    retryable: true,
    status: 503,
    cause: "Something was asked of a channel that has already ended.",
    remedy:
      "Nothing: the agent opens a new channel by itself. If it keeps happening, run `postern diag` on the host.",
  },
  handshake_timeout: {
    title: "Handshake took too long",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The other side did not finish a step of the handshake in time (10 seconds a step).",
    remedy: "Check the network between agent and edge, and the load of both.",
  },
  handshake_malformed: {
    title: "Handshake payload does not parse",
    blame: "peer",
    retryable: false,
    exit: 1,
    cause: "The payload of a handshake message is not what this version of the protocol sends.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  handshake_suite_refused: {
    title: "Handshake suite is not allowed",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The agent asked for a handshake suite that this edge does not allow, e.g. one without ML-KEM-768.",
    remedy: "Set the same suite on both sides; `hybrid` is the default.",
  },
  handshake_refused: {
    title: "Edge refused the handshake",
    blame: "peer",
    retryable: false,
    exit: 3,
    cause: "The edge ended the handshake without a reason that this version knows.",
    remedy: "Look at the edge's log at the same time.",
  },
  session_nonce_expired: {
    title: "Challenge has expired",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The proof came later than the challenge allows.",
    remedy: "Check the clocks and the latency between agent and control.",
  },
  heartbeat_timeout: {
    title: "Peer stopped answering",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "No heartbeat was answered for 30 seconds.",
    remedy:
      "Nothing: the agent opens a new channel by itself. If it keeps happening, run `postern diag` on the host.",
  },
  peer_draining: {
    title: "Peer is draining",
    blame: "peer",
    retryable: true,
    status: 503,
    cause: "The other side is shutting down in an orderly way and takes no new streams.",
    remedy:
      "Nothing: the agent opens a new channel by itself. If it keeps happening, run `postern diag` on the host.",
  },
  peer_closed: {
    title: "Peer closed the channel",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "The other side ended the carrier connection.",
    remedy:
      "Nothing: the agent opens a new channel by itself. If it keeps happening, run `postern diag` on the host.",
  },
  session_fenced: {
    title: "A newer session took over",
    blame: "peer",
    retryable: false,
    exit: 1,
    cause: "The same agent opened a newer session, so this one was cut.",
    remedy: "Nothing, unless two processes share one identity: give each its own state directory.",
  },
  drain_deadline: {
    title: "Drain deadline passed",
    blame: "local",
    retryable: true,
    status: 503,
    cause: "Streams were still open when the time for draining ended, and were cut.",
    remedy: "Raise the drain timeout if long transfers matter more than a quick stop.",
  },
  backoff_exhausted: {
    title: "Gave up reconnecting",
    blame: "local",
    retryable: false,
    exit: 5,
    cause: "Every attempt to reach the edge failed for as long as the agent was told to try.",
    remedy: "Run `postern diag`; raise the retry limit if the outage was expected.",
  },
  tunnel_deleted: {
    title: "Tunnel was deleted",
    blame: "control",
    retryable: false,
    exit: 3,
    cause: "The tunnel of this agent was deleted by its owner or an operator.",
    remedy: "Create it anew: start the agent again.",
  },
  reauth_timeout: {
    title: "Machine did not prove itself again in time",
    blame: "peer",
    retryable: true,
    cause:
      "The edge asked the agent for a new proof of its machine, and none was there when the grace time was over. All streams of the channel were cut.",
    remedy:
      "Look at the agent's log at the same time: it says what kept it. Usually control could not be reached from the agent. The agent opens a new channel by itself, with a full handshake.",
  },
  reauth_failed: {
    title: "Machine failed to prove itself again",
    blame: "peer",
    retryable: true,
    cause:
      "Control, or the edge, refused the new proof that an agent gave on a channel that stood. All streams of the channel were cut.",
    remedy:
      "The logs of edge and agent name the code of the refusal; its page says what to do. Only a full handshake ends this.",
  },
  reauth_wrong_nonce: {
    title: "Proof answers another question",
    blame: "peer",
    retryable: true,
    cause: "The agent answered a re-authentication with a nonce that the edge has not sent for it.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  reauth_replayed: {
    title: "Re-authentication message was used before",
    blame: "peer",
    retryable: true,
    cause: "A message of a re-authentication that was over came again, or a nonce was used twice.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  reauth_wrong_round: {
    title: "Re-authentication is out of order",
    blame: "peer",
    retryable: true,
    cause: "The edge asked for a proof under a number that is not the next one.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  reauth_unsolicited: {
    title: "Re-authentication message that nobody asked for",
    blame: "peer",
    retryable: true,
    cause: "The agent sent a proof without being asked, or the edge accepted one that was never given.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  reauth_duplicate: {
    title: "Proof was given twice",
    blame: "peer",
    retryable: true,
    cause: "The agent answered the same question again while its first answer was being judged.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  reauth_overlap: {
    title: "Two re-authentications at once",
    blame: "peer",
    retryable: true,
    cause: "The edge asked for a proof while an earlier question was open.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  reauth_wrong_agent: {
    title: "New proof is another agent's",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The stage 1 token that renews a channel names another agent, or another attestation, than the one that opened it.",
    remedy: "Report it: agent or control is broken or hostile.",
  },
  reauth_weaker_tier: {
    title: "New proof is weaker than the one before",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The channel was opened with a key in a TPM, and the new proof was made with a key that is kept less well.",
    remedy: "Start the agent with its TPM again: see the tier on its status page.",
  },
} as const satisfies Record<string, ErrorFacts>;
