/** What a relay refuses, and why it ends private channels. */
import type { ErrorFacts } from "../error.ts";

const newGrant = "Ask for a new channel: both endpoints get a new grant, and attach again.";
const issuer =
  "Both grants of a pair say the same. Look at who issues them; with grants of this product, report it.";

export const RELAY_ERRORS = {
  relay_full: {
    title: "The relay has no room",
    blame: "operator",
    retryable: true,
    status: 503,
    cause:
      "The edge relays as many connections or private channels as it may: in all, of this address, or of this owner (`limit` in the log says which). The token was not spent.",
    remedy:
      "Try again with the same token while it is valid. As the operator, close channels that nobody needs, or raise `relay.max_*`.",
  },
  relay_replaced_too_often: {
    title: "A half of the channel attaches again and again",
    blame: "peer",
    retryable: true,
    status: 429,
    cause:
      "The same half of one private channel attached more than 5 times in 10 seconds. Each time both endpoints of before were closed.",
    remedy: "Wait with growing delays before the next attempt, and give both endpoints new grants first.",
  },
  relay_attach_expected: {
    title: "No attach came first",
    blame: "peer",
    retryable: false,
    status: 400,
    cause: "The first record on a connection to the relay was not one that attaches to a channel.",
    remedy:
      "Send the token in the header `Authorization: Bearer`, or the attach record first, as a binary message.",
  },
  relay_attach_invalid: {
    title: "Attach is malformed",
    blame: "peer",
    retryable: false,
    status: 400,
    cause:
      "The attach record is longer than 8 KiB, has missing, wrong or unknown fields, or the header with the token is malformed or sent twice.",
    remedy: "Compare what is sent with the protocol's description of the attach.",
  },
  relay_token_in_url: {
    title: "Credentials in the URL",
    blame: "peer",
    retryable: false,
    status: 400,
    cause:
      "The attach named something behind its path. What is in a URL ends up in logs, so a token there is refused and counts as known to others.",
    remedy:
      "Send the token in the header or in the first record, and ask for a new grant: the old token was shown.",
  },
  relay_token_refused: {
    title: "The relay does not take the token",
    blame: "peer",
    retryable: false,
    status: 401,
    cause:
      "The attach token is not valid at this relay: its signature, audience, time or fields. The edge's log has the exact code.",
    remedy: newGrant,
  },
  relay_channel_mismatch: {
    title: "Token of another channel",
    blame: "peer",
    retryable: false,
    status: 403,
    cause: "The attach names another channel than its token.",
    remedy: "Take channel id and token from one and the same grant.",
  },
  relay_role_mismatch: {
    title: "Token of the other half",
    blame: "peer",
    retryable: false,
    status: 403,
    cause: "The attach names another role than its token.",
    remedy: "Take role and token from one and the same grant.",
  },
  relay_window_mismatch: {
    title: "The halves disagree about the init window",
    blame: "control",
    retryable: false,
    status: 409,
    cause: "The token says another end of the init window than the other half of the channel.",
    remedy: issuer,
  },
  relay_idle_mismatch: {
    title: "The halves disagree about the idle timeout",
    blame: "control",
    retryable: false,
    status: 409,
    cause: "The token says another idle timeout than the other half of the channel.",
    remedy: issuer,
  },
  relay_tenant_mismatch: {
    title: "The halves belong to different owners",
    blame: "control",
    retryable: false,
    status: 409,
    cause: "The token counts for another owner than the other half of the channel.",
    remedy: issuer,
  },
  relay_elsewhere: {
    title: "The channel is relayed by another edge",
    blame: "operator",
    retryable: true,
    status: 421,
    cause:
      "The grant leads both endpoints to one edge, and the attach came to another one of the same deployment. The token was not spent.",
    remedy:
      "As the operator, set `edge_host` of each edge to a name that leads to it alone: behind a load balancer the public host leads to any.",
  },
  relay_attach_timeout: {
    title: "Attach took too long",
    blame: "peer",
    retryable: true,
    status: 408,
    cause: "No token that holds came within the time for it (`relay.attach`, 10 seconds).",
    remedy: "Send the token at once. Over slow networks, look for what holds the first bytes back.",
  },
  relay_attach_failed: {
    title: "The relay cannot judge the token",
    blame: "operator",
    retryable: true,
    status: 503,
    cause:
      "The store that remembers spent tokens, or whatever verifies them, does not answer. Without it nobody is let in.",
    remedy: "Try again later with a new grant. As the operator, look at the database and at the edge's log.",
  },
  relay_init_expired: {
    title: "The init window is over",
    blame: "peer",
    retryable: true,
    status: 410,
    cause:
      "The other half did not attach before the end of the channel's init window, or this one came too late.",
    remedy: newGrant,
  },
  relay_idle: {
    title: "The channel was idle for too long",
    blame: "peer",
    retryable: true,
    cause: "No record passed in either direction within the idle timeout that the grant names.",
    remedy: "Endpoints of this product send pings. With others, send one in less than the idle timeout.",
  },
  relay_replaced: {
    title: "The channel was replaced",
    blame: "peer",
    retryable: true,
    cause: "The same half of the channel attached once more, which ends both endpoints of before.",
    remedy: newGrant,
  },
  relay_peer_closed: {
    title: "The other endpoint is gone",
    blame: "peer",
    retryable: true,
    cause: "The other half of the channel closed its connection to the relay, or lost it.",
    remedy: newGrant,
  },
  relay_bytes_spent: {
    title: "The relay passes no further bytes",
    blame: "operator",
    retryable: true,
    status: 429,
    cause:
      "The channel has passed as many bytes as one channel may (`relay.max_channel_bytes`), or the channels of its owner as many as they may in an hour (`relay.max_tenant_bytes_per_hour`).",
    remedy: "Wait until the hour is over, or ask the operator for more.",
  },
  relay_frame_broken: {
    title: "A frame breaks the WebSocket protocol",
    blame: "peer",
    retryable: true,
    cause: "The relay read a frame that RFC 6455 does not allow, and closed the connection.",
    remedy: "Check that no proxy between endpoint and edge changes WebSocket traffic.",
  },
  relay_paired_invalid: {
    title: "The relay's first record is malformed",
    blame: "peer",
    retryable: true,
    cause: "What answers at the relay's address did not say that the channel is paired.",
    remedy: "Check the URL in the grant, and that nothing between endpoint and edge answers in its place.",
  },
} as const satisfies Record<string, ErrorFacts>;
