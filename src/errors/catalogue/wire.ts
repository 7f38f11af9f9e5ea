/** Failures of records and frames from a peer. */
import type { ErrorFacts } from "../error.ts";

export const WIRE_ERRORS = {
  record_truncated: {
    title: "Record is too short",
    blame: "peer",
    retryable: true,
    cause: "A record from the peer ended before its header or its tag.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  record_unknown_kind: {
    title: "Record of an unknown kind",
    blame: "peer",
    retryable: true,
    cause: "A record from the peer starts with bytes that no version of the protocol uses.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  record_too_large: {
    title: "Record is too large",
    blame: "peer",
    retryable: true,
    cause:
      "A record from the peer is longer than the protocol allows. Before the handshake the limit is 16 KiB.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  record_tag_mismatch: {
    title: "Record does not authenticate",
    blame: "peer",
    retryable: true,
    cause: "A record was altered, dropped, repeated or reordered on the way, or sealed with another key.",
    remedy: "Look for something on the path that changes traffic. The channel is opened anew by itself.",
  },
  record_bad_epoch: {
    title: "Record of a wrong key epoch",
    blame: "peer",
    retryable: true,
    cause: "A record names a key epoch that is neither the current one nor the next.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  record_rekey_overdue: {
    title: "Peer did not change its key in time",
    blame: "peer",
    retryable: true,
    cause: "The peer sealed more records, bytes or time under one key than the protocol allows.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  record_unexpected: {
    title: "Record out of turn",
    blame: "peer",
    retryable: true,
    cause: "A handshake record arrived after the handshake, or a transport record before its end.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_truncated: {
    title: "Frame is too short",
    blame: "peer",
    retryable: true,
    cause: "A frame announces more bytes than its record holds.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_unknown_type: {
    title: "Frame of an unknown type",
    blame: "peer",
    retryable: true,
    cause: "A frame from the peer has a type that is not in the frame table.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_bad_flags: {
    title: "Frame with flags it may not carry",
    blame: "peer",
    retryable: true,
    cause: "A frame from the peer has flags that the frame table does not give to its type.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_bad_stream: {
    title: "Frame on a wrong stream",
    blame: "peer",
    retryable: true,
    cause: "A channel frame named a stream, a stream frame named none, or the stream was never opened.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_bad_length: {
    title: "Frame of a wrong length",
    blame: "peer",
    retryable: true,
    cause: "A frame is shorter or longer than the frame table allows for its type.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_bad_open: {
    title: "OPEN frame does not parse",
    blame: "peer",
    retryable: true,
    cause: "The opening of a stream has an unknown class or kind, or texts that do not fit.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  frame_bad_control: {
    title: "CONTROL frame does not parse",
    blame: "peer",
    retryable: true,
    cause: "A control message is no JSON object of a type that the receiver knows.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  credit_exceeded: {
    title: "Peer sent more than its credit",
    blame: "peer",
    retryable: true,
    cause: "The peer sent bytes that the receiver had not granted.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  credit_overflow: {
    title: "Peer granted too much credit",
    blame: "peer",
    retryable: true,
    cause: "The credit that the peer granted adds up to more than the protocol can hold, or is zero.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  stream_id_reused: {
    title: "Stream id out of order",
    blame: "peer",
    retryable: true,
    cause: "The peer opened a stream with an id of the wrong side, or not above the last one.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  stream_after_end: {
    title: "Data after the end of a stream",
    blame: "peer",
    retryable: true,
    cause: "The peer sent bytes on a stream that it had already ended.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
  wire_memory_exhausted: {
    title: "No buffer left for a carrier",
    blame: "local",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "All of the memory that records are sealed and opened in is in use.",
    remedy:
      "Lower the number of agents or the stream windows of this node, or spread the agents over more edges.",
  },
  datagram_bad_length: {
    title: "Datagram of impossible length",
    blame: "peer",
    retryable: true,
    cause: "On the stream of a udp flow the peer announced a datagram longer than 65,507 bytes.",
    remedy:
      "Nothing: the flow was ended, and the viewer's next datagram opens another. If it repeats, upgrade the older side.",
  },
  control_flood: {
    title: "Too many unanswered control frames",
    blame: "peer",
    retryable: true,
    cause: "The peer sent pings or resets faster than they can be answered.",
    remedy:
      "Upgrade the older side; if both are of the same version, report it: one of them is broken or hostile.",
  },
} as const satisfies Record<string, ErrorFacts>;
