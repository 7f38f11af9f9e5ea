/** Failures of TLS that ends at the edge, and of its certificates. */
import type { ErrorFacts } from "../error.ts";

export const TLS_ERRORS = {
  tls_malformed_hello: {
    title: "Malformed TLS ClientHello",
    blame: "peer",
    retryable: false,
    cause: "The first message of a TLS connection breaks RFC 8446, or is longer than 32 KiB.",
    remedy: "Nothing: scanners send such messages. If a browser or an agent does, report it.",
  },
  tls_no_common_protocol: {
    title: "No common protocol over TLS",
    blame: "peer",
    retryable: false,
    cause: "The client offered protocols by ALPN, but none that is served here, such as HTTP/1.1.",
    remedy: "Let the client offer http/1.1, with curl for instance by --http1.1, or use no ALPN.",
  },
  tls_unknown_name: {
    title: "Server name is not served",
    blame: "peer",
    retryable: false,
    cause: "The client asked by TLS for a name that no service has and no certificate here covers.",
    remedy:
      "Check the name. Publish a service under it: one of protocol tls brings its own certificate, for others the edge needs one that covers the name.",
  },
  certificate_unusable: {
    title: "A certificate or its key cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The certificate file is missing, not in PEM form or covers no name; or the key does not belong to the certificate, or is of a kind that is not supported.",
    remedy:
      "Use a PEM file with the certificate first and its chain behind it, and a key file in PEM form without a passphrase. RSA keys of 2048 bits or more, P-256, P-384 and Ed25519 are supported.",
  },
  certificate_is_authority: {
    title: "The server certificate is one of an authority",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The first certificate in `tls.cert_file` says CA:TRUE: it is for signing other certificates. Agents and browsers " +
      "refuse a server that shows it. `openssl req -x509` makes such certificates unless told otherwise.",
    remedy:
      "Have the authority sign a certificate for the edge, and give that one as `tls.cert_file`; the operator " +
      "guide has the lines for openssl. Agents trust the authority by `ca_file`.",
  },
  tls_handshake_oversized: {
    title: "TLS handshake has too many bytes",
    blame: "peer",
    retryable: false,
    cause: "A node sent more than 64 KiB before it had proved who it is.",
    remedy: "Look at what connects to the port for nodes: no node has a certificate of that size.",
  },
  peer_session_resumed: {
    title: "Peer resumed an earlier TLS session",
    blame: "peer",
    retryable: true,
    cause:
      "A resumed session may stem from a port that asks nobody for a certificate. Where nodes prove who they are, each connection is a full handshake.",
    remedy: "Connect without a session ticket. Nodes never send one: look at what connects.",
  },
  peer_certificate_unverified: {
    title: "Peer's certificate is not verified by the TLS library",
    blame: "peer",
    retryable: true,
    cause:
      "Every check of this program passed, but the TLS library does not believe the certificate: it counts no tolerance for clocks that differ.",
    remedy: "Set the clocks of both machines. `reason` in the log is the library's own word.",
  },
  node_credentials_unusable: {
    title: "Identity of the node cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The certificate of this node names no node or another one, or its key does not belong to it or is not in PEM form.",
    remedy: "Enroll the node again.",
  },
  node_handshakes_busy: {
    title: "Too many handshakes of nodes at once",
    blame: "peer",
    retryable: true,
    cause: "64 connections to the port for nodes, or 16 of one address, have not proved yet who they are.",
    remedy: "Nodes try again by themselves. When it stays, keep strangers away from the port.",
  },
  node_connections_full: {
    title: "Too many nodes are connected",
    blame: "operator",
    retryable: true,
    cause: "As many nodes as may be are connected to this port.",
    remedy: "Let nodes connect to another control or connector.",
  },
} as const satisfies Record<string, ErrorFacts>;
