/** Failures of the WebSocket carrier (RFC 6455) and of the connections below it. */
import type { ErrorFacts } from "../error.ts";

const otherSoftware =
  "Check that both ends run Postern and that no proxy between them changes WebSocket traffic. If both do, report it.";

/** Frames that break RFC 6455 or the carrier's limits. The connection is closed with the close code in the detail. */
const FRAMING_ERRORS = {
  websocket_reserved_bits: {
    title: "WebSocket frame with a reserved bit set",
    blame: "peer",
    retryable: true,
    cause: "A frame used a bit that only an extension gives a meaning, and no extension was agreed on.",
    remedy: otherSoftware,
  },
  websocket_opcode_unknown: {
    title: "WebSocket frame of an unknown kind",
    blame: "peer",
    retryable: true,
    cause: "A frame carried an opcode that RFC 6455 keeps for later.",
    remedy: otherSoftware,
  },
  websocket_length_invalid: {
    title: "WebSocket frame with an invalid length",
    blame: "peer",
    retryable: true,
    cause: "A frame stated its length in more bytes than needed, or over 2^63 bytes.",
    remedy: otherSoftware,
  },
  websocket_message_too_large: {
    title: "WebSocket message over the limit",
    blame: "peer",
    retryable: true,
    cause:
      "The peer announced a message that is longer than this end accepts. It was refused before it was read.",
    remedy: "Check that both ends run versions of Postern that agree on the size of a record.",
  },
  websocket_mask_missing: {
    title: "WebSocket frame of a client without a mask",
    blame: "peer",
    retryable: true,
    cause:
      "Clients must mask every frame, so that no proxy mistakes payload for a request. This one did not.",
    remedy: otherSoftware,
  },
  websocket_mask_unexpected: {
    title: "WebSocket frame of a server with a mask",
    blame: "peer",
    retryable: true,
    cause: "Servers must not mask frames. This one did.",
    remedy: otherSoftware,
  },
  websocket_control_invalid: {
    title: "Malformed WebSocket control frame",
    blame: "peer",
    retryable: true,
    cause: "A ping, pong or close frame was fragmented or over 125 bytes.",
    remedy: otherSoftware,
  },
  websocket_fragment_unexpected: {
    title: "WebSocket fragment out of order",
    blame: "peer",
    retryable: true,
    cause: "A fragment continued no message, or a message began before the last one had ended.",
    remedy: otherSoftware,
  },
  websocket_text_refused: {
    title: "WebSocket text message",
    blame: "peer",
    retryable: true,
    cause: "The carrier moves binary records only, and the peer sent text.",
    remedy: "Connect with a Postern agent; this path of the edge serves nothing else.",
  },
  websocket_close_invalid: {
    title: "Malformed WebSocket close frame",
    blame: "peer",
    retryable: true,
    cause:
      "A close frame was one byte long, carried a code that is not allowed, or a reason that is not UTF-8.",
    remedy: otherSoftware,
  },
  websocket_closed: {
    title: "WebSocket is closing",
    blame: "local",
    retryable: true,
    cause: "A message was to be sent after the close frame.",
    remedy: "Nothing: a new connection is opened where one is needed.",
  },
} as const satisfies Record<string, ErrorFacts>;

const UPGRADE_ERRORS = {
  websocket_upgrade_required: {
    title: "WebSocket upgrade required",
    blame: "peer",
    retryable: false,
    status: 426,
    cause: "An ordinary request was sent to the path that accepts channels of agents.",
    remedy: "Point an agent at this address. There is nothing to see here for a browser.",
  },
  websocket_version_unsupported: {
    title: "WebSocket version not supported",
    blame: "peer",
    retryable: false,
    status: 426,
    cause: "The request asked for another WebSocket version than 13.",
    remedy: "Use version 13 (RFC 6455).",
  },
  websocket_upgrade_invalid: {
    title: "Malformed WebSocket upgrade request",
    blame: "peer",
    retryable: false,
    status: 400,
    cause:
      "The upgrade request broke RFC 6455: its method, version, key or headers are wrong, or it has a body.",
    remedy:
      "If a proxy stands in front of the edge, let it pass the headers Upgrade and Connection and speak HTTP/1.1 to the edge.",
  },
  websocket_protocol_missing: {
    title: "WebSocket subprotocol missing",
    blame: "peer",
    retryable: false,
    status: 400,
    cause: "The request did not offer the subprotocol postern.v1.",
    remedy: "Connect with a Postern agent, and let proxies pass the header Sec-WebSocket-Protocol.",
  },
  websocket_response_invalid: {
    title: "Invalid answer to a WebSocket upgrade",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "What answered is not an edge, or something in between changed its answer.",
    remedy: "Check the edge's URL, and that proxies on the way support WebSocket upgrades.",
  },
  websocket_head_too_large: {
    title: "Answer to a WebSocket upgrade over the limit",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The head of the answer was longer than 8 KiB.",
    remedy: "Check the edge's URL: an edge answers with a few hundred bytes.",
  },
  websocket_redirected: {
    title: "WebSocket upgrade redirected",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "The server answered with a redirect. Agents do not follow redirects, so that nobody can send them elsewhere.",
    remedy: "Configure the edge's final URL; a redirect often means ws:// where wss:// is needed.",
  },
  websocket_refused: {
    title: "WebSocket upgrade refused",
    blame: "peer",
    retryable: false,
    exit: 1,
    cause: "The edge refused the connection and will do so again. Its status and code are in the detail.",
    remedy: "Look up the code in peer_code; without one, check the edge's URL and path.",
  },
  websocket_unavailable: {
    title: "Edge is not available at present",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The edge, or a proxy in front of it, answered that it cannot take the connection now.",
    remedy:
      "Nothing at first: the agent tries again, after the delay that the edge asked for. Look at the edge if it lasts.",
  },
  websocket_upgrade_timeout: {
    title: "WebSocket upgrade timed out",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The connection stands, but the handshake on it did not end in time.",
    remedy: "Check that the port belongs to an edge, and whether the edge is overloaded.",
  },
  websocket_url_invalid: {
    title: "Invalid edge URL",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The URL is not ws:// or wss://, or it carries credentials, a query or a fragment.",
    remedy: "Use a URL such as wss://edge.example.com. Tokens do not belong into it.",
  },
} as const satisfies Record<string, ErrorFacts>;

const NETWORK_ERRORS = {
  dns_failed: {
    title: "Host name not found",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The host name has no address, or the resolver did not answer.",
    remedy: "Check the spelling of the name and the machine's DNS settings.",
  },
  connect_refused: {
    title: "Connection refused",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The host is there, but nothing listens on the port.",
    remedy: "Check host and port, and that the service there runs.",
  },
  connect_timeout: {
    title: "Connection timed out",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "No answer came to the connection attempt. Firewalls that drop packets look like this.",
    remedy: "Check host and port, and that firewalls on the way allow the connection.",
  },
  connect_failed: {
    title: "Connection failed",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The connection could not be made, for instance because the network is unreachable.",
    remedy: "Check the network of this machine and the route to the host.",
  },
  connect_aborted: {
    title: "Connection attempt given up",
    blame: "local",
    retryable: true,
    exit: 1,
    cause: "This process stopped the attempt, usually because it is shutting down.",
    remedy: "Nothing.",
  },
  connection_reset: {
    title: "Connection reset",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The other end, or something in between, ended the connection abruptly.",
    remedy:
      "Nothing if it is rare: a new connection is made. If it is frequent, look at the other end and at proxies.",
  },
  connection_lost: {
    title: "Connection lost",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The network stopped answering in the middle of a connection.",
    remedy: "Nothing if it is rare: a new connection is made. If it is frequent, look at the network.",
  },
  connection_closed: {
    title: "Connection closed on this side",
    blame: "local",
    retryable: true,
    exit: 1,
    cause: "Bytes were to be written to a connection that this process had closed.",
    remedy: "Nothing.",
  },
  tls_timeout: {
    title: "TLS handshake timed out",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The connection stands, but the TLS handshake on it did not end in time.",
    remedy: "Check that the port speaks TLS; for a port without it use ws://.",
  },
  tls_handshake_failed: {
    title: "TLS handshake failed",
    blame: "peer",
    retryable: true,
    exit: 1,
    cause: "The two ends found no common TLS version, cipher or protocol, or the port does not speak TLS.",
    remedy: "Check that the port speaks TLS 1.2 or later and HTTP/1.1; for a port without TLS use ws://.",
  },
  certificate_invalid: {
    title: "Certificate not trusted",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause:
      "The server's certificate has expired, is for another name, or was not issued by an authority that this machine trusts.",
    remedy:
      "For a private certificate authority configure its certificate. Otherwise check the host name, the server's certificate and this machine's clock.",
  },
  ca_certificates_invalid: {
    title: "Invalid CA certificates",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The configured CA certificates are not certificates in PEM form.",
    remedy: "Configure a file that contains -----BEGIN CERTIFICATE----- blocks.",
  },
  proxy_url_invalid: {
    title: "Invalid proxy URL",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The proxy is not given as an http:// or https:// URL with a host, or credentials stand in it.",
    remedy: "Use a URL such as http://proxy.example.com:3128; put user:password into proxy_credentials_file.",
  },
  proxy_credentials_invalid: {
    title: "Invalid proxy credentials",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The file with the proxy's credentials does not hold one line user:password.",
    remedy: "Write user:password into the file, on one line, and chmod 600 it.",
  },
  proxy_auth_required: {
    title: "Proxy demands credentials",
    blame: "operator",
    retryable: false,
    exit: 1,
    cause: "The proxy answered with status 407 or 401: it got no credentials or did not accept them.",
    remedy:
      "Put a valid user:password into the file that proxy_credentials_file names. Only the Basic scheme is supported.",
  },
  proxy_refused: {
    title: "Proxy refused the connection",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The proxy did not open a connection to the edge. Its status is in the detail.",
    remedy: "Allow CONNECT to the edge's host and port on the proxy, and check that it reaches the edge.",
  },
  proxy_response_invalid: {
    title: "Invalid answer of the proxy",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "What answered the CONNECT request is not an HTTP proxy, or it closed the connection.",
    remedy: "Check the proxy's host and port.",
  },
  proxy_timeout: {
    title: "Proxy timed out",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The proxy accepted the connection but did not answer the CONNECT request in time.",
    remedy: "Check that the proxy reaches the edge.",
  },
} as const satisfies Record<string, ErrorFacts>;

export const WEBSOCKET_ERRORS = {
  ...FRAMING_ERRORS,
  ...UPGRADE_ERRORS,
  ...NETWORK_ERRORS,
} as const satisfies Record<string, ErrorFacts>;
