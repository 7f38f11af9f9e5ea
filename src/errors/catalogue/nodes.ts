/** Failures of channels between nodes. */
import type { ErrorFacts } from "../error.ts";

const peers = { blame: "peer", retryable: false, exit: 3 } as const;
const later = { blame: "peer", retryable: true, exit: 1 } as const;
const otherProgram =
  "Update both programs to the same version. When it stays, look for what else speaks to the port.";

export const NODE_ERRORS = {
  node_frame_invalid: {
    title: "Frame of a node is invalid",
    ...peers,
    cause: "A frame between nodes is longer than allowed, cut short, or no JSON.",
    remedy: otherProgram,
  },
  node_message_unexpected: {
    title: "Message of a node is unexpected",
    ...peers,
    cause: "A message between nodes is none of the protocol, or comes when it has no place.",
    remedy: otherProgram,
  },
  node_protocol_unknown: {
    title: "Node speaks another protocol version",
    ...peers,
    cause: "A node offered a version of the protocol between nodes that is not known here.",
    remedy: "Update the older program.",
  },
  node_flood: {
    title: "Node sends too many messages",
    ...peers,
    cause: "A node sent more than 600 messages in the time of one heartbeat.",
    remedy: otherProgram,
  },
  node_peer_slow: {
    title: "Node does not read what is sent",
    ...later,
    cause: "512 frames wait for a node that does not read.",
    remedy: "Look at the machine of the node: it is stopped, or its network stalls.",
  },
  node_proof_invalid: {
    title: "Node's new certificate is not proved",
    ...peers,
    cause:
      "A node showed a renewed certificate on a channel that stands, and its key did not sign this channel's nonce.",
    remedy: otherProgram,
  },
  node_hello_timeout: {
    title: "Node said nothing after the handshake",
    ...later,
    cause: "No hello, or no welcome, came within 10 s of the TLS handshake.",
    remedy: "Look at the log of the other end; nodes try again by themselves.",
  },
  node_heartbeat_timeout: {
    title: "Heartbeat of a node stayed away",
    ...later,
    cause: "Nothing was heard of the other end for 30 s.",
    remedy: "Look at the machine and the network in between; nodes try again by themselves.",
  },
  node_replaced: {
    title: "Channel was replaced by a newer one of the same node",
    ...later,
    cause: "The node connected again and proved itself; its older channel ended at once.",
    remedy:
      "Nothing. When it happens all the time, two machines have the same identity: enroll one of them anew.",
  },
  node_host_stopping: {
    title: "Control or connector is stopping",
    ...later,
    cause: "The other end of the channel stops in an orderly way.",
    remedy: "Nothing: the node goes on to its next address.",
  },
  node_closed: {
    title: "Channel was closed by the other end",
    ...later,
    cause: "The other end closed the channel for a reason that is not known to this version.",
    remedy: "Look at the log of the other end.",
  },
  node_channel_absent: {
    title: "No channel to control",
    ...later,
    cause: "The certificate was to be renewed while no channel to control stood.",
    remedy: "Check that control can be reached; the renewal is tried again until the certificate ends.",
  },
  node_renewal_unavailable: {
    title: "Host renews no certificates",
    ...peers,
    cause: "A node asked a host for a certificate that is no control plane.",
    remedy: "Renew at control.",
  },
  node_renewal_refused: {
    title: "Renewal of the certificate was refused",
    ...later,
    cause: "Control did not certify the node's next key; `reason` in the log is why.",
    remedy: "Look at control's log. A node whose certificate has ended has to be enrolled again.",
  },
  node_renewal_timeout: {
    title: "Renewal of the certificate was not answered",
    ...later,
    cause: "Control did not answer a request for a certificate within 15 s.",
    remedy:
      "Nothing: it is tried again until the certificate ends. Look at the load of control when it stays.",
  },
  node_not_enrolled: {
    title: "Node has no identity",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "A connector or tunneler has no identity in its state directory, and no file with an enrollment token is configured.",
    remedy:
      "Let an operator make a token by `postern enroll-token --role connector --id ID --out FILE`, and name the file in `node.enrollment_token_file`.",
  },
  config_address_missing: {
    title: "No address is configured",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "A connector needs `node.control`, a tunneler `node.control` and `node.connector`.",
    remedy: "Name at least one HOST:PORT.",
  },
} as const satisfies Record<string, ErrorFacts>;
