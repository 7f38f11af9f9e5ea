/** Failures that a viewer sees, and those of the edge's listeners and routes. */
import type { ErrorFacts } from "../error.ts";

export const EDGE_ERRORS = {
  unknown_host: {
    title: "No such host",
    blame: "viewer",
    retryable: false,
    status: 404,
    cause: "No service is published under the name that the viewer asked for.",
    remedy: "Check the URL. The owner sees the right one in the agent's status and with `postern status`.",
  },
  worker_unavailable: {
    title: "Part of the edge does not answer",
    blame: "local",
    retryable: true,
    status: 503,
    cause:
      "The edge runs in several workers, and one of them, or the main thread, did not answer another in time: it is overloaded, or it has ended and is being started again.",
    remedy:
      "Repeat the request. When it happens again, look for `worker ended` in the edge's log, and whether the machine is short of memory or CPU.",
  },
  misdirected_request: {
    title: "Not the host of this connection",
    blame: "viewer",
    retryable: true,
    status: 421,
    cause:
      "The service ends TLS itself and the request came in clear or on a TLS connection that was made for another host; or, over HTTP/2, the request names a host that neither the connection was opened for nor its certificate covers.",
    remedy:
      "Ask for https:// on a connection that names this host. Browsers do so by themselves after a 421.",
  },
  tunnel_offline: {
    title: "Service is offline",
    blame: "operator",
    retryable: true,
    status: 503,
    cause:
      "The service exists, but no agent that publishes it is connected, and none came back within the grace time.",
    remedy: "Start the agent, or look at its log; `postern diag` on its host finds most reasons.",
  },
  origin_refused: {
    title: "Service refused the connection",
    blame: "origin",
    retryable: true,
    status: 502,
    cause: "The agent is connected, but nothing accepts connections at the address it forwards to.",
    remedy: "Start the local service, or correct the target that was given to the agent.",
  },
  origin_timeout: {
    title: "Service did not answer in time",
    blame: "origin",
    retryable: true,
    status: 504,
    cause: "The local service took longer than the response timeout to send the head of its answer.",
    remedy: "Look at the local service; raise the response timeout if it is meant to be slow.",
  },
  origin_reset: {
    title: "Service broke off",
    blame: "origin",
    retryable: true,
    status: 502,
    cause: "The local service closed the connection before its answer was complete.",
    remedy: "Look at the log of the local service.",
  },
  origin_protocol: {
    title: "Service does not speak HTTP",
    blame: "origin",
    retryable: false,
    status: 502,
    cause: "The local service answered with something that is not HTTP/1.1.",
    remedy: "Check the target's port; publish what is not HTTP with `postern tcp`.",
  },
  channel_lost: {
    title: "Connection to the agent was lost",
    blame: "peer",
    retryable: true,
    status: 502,
    cause:
      "The channel to the agent ended while the request was under way, and the request could not be repeated safely.",
    remedy: "Repeat the request. GET and HEAD without a body are repeated by the edge itself.",
  },
  viewer_limit: {
    title: "Too many connections",
    blame: "local",
    retryable: true,
    status: 503,
    cause:
      "The edge, or the viewer's address, has as many connections open, or requests under way, as is allowed.",
    remedy: "Try again later; raise the connection limits of the edge if it can carry more.",
  },
  address_denied: {
    title: "Not admitted from this address",
    blame: "viewer",
    retryable: false,
    status: 403,
    cause: "The service, or the edge, does not serve viewers from this address.",
    remedy: "The owner of the service changes its `allow` and `deny` rules, the operator those of the edge.",
  },
  request_rate_limited: {
    title: "Too many requests",
    blame: "viewer",
    retryable: true,
    status: 429,
    cause: "More requests came to the service, or from this address, than the service's rate allows.",
    remedy: "Wait as long as Retry-After says. The owner of the service sets `rate` and `rate_per_address`.",
  },
  connection_rate_limited: {
    title: "Too many new connections",
    blame: "viewer",
    retryable: true,
    status: 429,
    cause: "More new connections came from this address than the edge, or the service, allows.",
    remedy:
      "Wait, and keep connections open for several requests. Limits: `limits.connection_rate_per_address` of the edge, " +
      "`rate` and `rate_per_address` of a tcp service.",
  },
  credentials_required: {
    title: "Name and password are needed",
    blame: "viewer",
    retryable: false,
    status: 401,
    cause: "The service is published for people with a name and password only.",
    remedy: "Ask the owner of the service for both. Programs send them by `Authorization: Basic`.",
  },
  credentials_refused: {
    title: "Name or password is wrong",
    blame: "viewer",
    retryable: false,
    status: 401,
    cause: "No user of the service has this name and password, or the Authorization field is out of form.",
    remedy:
      "Check both. The owner makes new ones with `postern hash-password` and registers the service again.",
  },
  credentials_rate_limited: {
    title: "Too many wrong passwords",
    blame: "viewer",
    retryable: true,
    status: 429,
    cause:
      "More wrong names and passwords came from this address than are looked at: ten at once, then six a minute.",
    remedy: "Wait as long as Retry-After says. Who was admitted before is not affected.",
  },
  credentials_busy: {
    title: "Too many passwords are being checked",
    blame: "local",
    retryable: true,
    status: 503,
    cause:
      "The edge checks as many passwords at the same time as it may; checking one is expensive on purpose.",
    remedy:
      "Try again in a moment. If it goes on, somebody tries passwords from many addresses: use `allow` and `deny`.",
  },
  rules_unusable: {
    title: "Rules of the service are not understood",
    blame: "operator",
    retryable: true,
    status: 503,
    cause:
      "The stored rules of the service were written by a later version; serving without them is not safe.",
    remedy: "Bring this edge to the version of the control plane, or register the service again.",
  },
  unread_limit: {
    title: "Too much data waits for slow readers",
    blame: "local",
    retryable: true,
    status: 503,
    cause:
      "Viewers have not taken nearly as much of their responses as the edge holds for all of them, and much of that " +
      "is of this service, so that new requests for it are refused until they have.",
    remedy:
      "Try again later. Raise `limits.max_unread_bytes` if the edge has memory to spare, or look for an address with " +
      "many slow connections.",
  },
  owner_agent_limit: {
    title: "Too many agents of one owner",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 1,
    cause:
      "One owner, or one address where agents have no token, has as many agent channels at this edge as one may have.",
    remedy: "Stop agents that are not needed, or raise `limits.max_agents_per_owner` of the edge.",
  },
  agent_limit: {
    title: "Too many agents",
    blame: "local",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "The edge has as many agents, or as many unproven connections, as is allowed.",
    remedy: "The agent tries again by itself. Raise the limits of the edge, or add an edge.",
  },
  peek_timeout: {
    title: "Viewer said nothing",
    blame: "viewer",
    retryable: true,
    cause: "The viewer opened a connection and sent nothing within `timeouts.peek`.",
    remedy: "Nothing: browsers open connections in advance. Many from one address may be an attack.",
  },
  proxy_header_missing: {
    title: "Connection without PROXY header",
    blame: "operator",
    retryable: false,
    cause:
      "A connection from an address in `proxy_protocol_from` did not begin with a PROXY protocol header.",
    remedy:
      "Let the load balancer send version 2 on every connection. Name only its addresses in `proxy_protocol_from`: agents and viewers on the same host have to come through it, too.",
  },
  proxy_header_version: {
    title: "PROXY header of another version",
    blame: "operator",
    retryable: false,
    cause: "The load balancer sent a PROXY protocol header of version 1, or of one above 2.",
    remedy: "Switch it to version 2: `send-proxy-v2` in HAProxy, proxy protocol v2 on cloud load balancers.",
  },
  proxy_header_malformed: {
    title: "Malformed PROXY header",
    blame: "operator",
    retryable: false,
    cause: "A PROXY protocol header has an unknown command or family, or is too short for its addresses.",
    remedy: "Look at the load balancer's version and settings.",
  },
  proxy_header_too_large: {
    title: "PROXY header is too large",
    blame: "operator",
    retryable: false,
    cause: "A PROXY protocol header is longer than 4 KiB.",
    remedy: "Let the load balancer send fewer extensions (TLVs); none of them is used here.",
  },
  proxy_header_timeout: {
    title: "PROXY header took too long",
    blame: "operator",
    retryable: true,
    cause:
      "A load balancer opened a connection and did not send a whole PROXY header within `timeouts.peek`.",
    remedy: "Check that it sends a header by itself, before its client says anything.",
  },
  proxy_header_untrusted: {
    title: "PROXY header from an untrusted source",
    blame: "operator",
    retryable: false,
    cause: "A connection from an address that is not in `proxy_protocol_from` began with a PROXY header.",
    remedy: "If it is your load balancer, add its address to `proxy_protocol_from`. Otherwise nothing.",
  },
  head_timeout: {
    title: "Request head took too long",
    blame: "viewer",
    retryable: true,
    status: 408,
    cause: "The viewer opened a connection and did not send a whole request head in time.",
    remedy: "Nothing, if the viewer was slow; otherwise look for a broken client.",
  },
  body_timeout: {
    title: "Request body took too long",
    blame: "viewer",
    retryable: true,
    status: 408,
    cause:
      "The viewer announced a body and sent nothing of it for `timeouts.request_body`, before the service had begun to answer.",
    remedy: "Nothing, if the viewer was slow; otherwise look for a client that announces more than it sends.",
  },
  stream_idle: {
    title: "Nothing moved for too long",
    blame: "viewer",
    retryable: true,
    status: 408,
    cause: "Neither side sent anything for as long as an open request may idle.",
    remedy: "Raise the idle timeout of streams for services with long pauses.",
  },
  replace_rate_limited: {
    title: "Sessions replace each other too fast",
    blame: "peer",
    retryable: true,
    status: 429,
    exit: 1,
    cause: "The same agent opened new sessions faster than the replacement limit allows (5 in 10 seconds).",
    remedy: "Look for two processes that share one identity: give each its own state directory.",
  },
  tcp_port_unavailable: {
    title: "Public port is not available",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "The port that control assigned to a tcp service cannot be opened on this edge.",
    remedy: "Look for another program on that port, or change the range `tcp_ports`.",
  },
  udp_port_unavailable: {
    title: "Public udp port is not available",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "The port that control assigned to a udp service cannot be opened on this edge.",
    remedy: "Look for another program on that udp port, or change the range `udp_ports`.",
  },
  listen_failed: {
    title: "Cannot listen",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The address that the edge is to listen on is in use, or the system does not allow it.",
    remedy: "Stop the other program, choose another `--listen` address, or grant the right to use low ports.",
  },
  admin_listen_failed: {
    title: "Cannot listen on the admin address",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "The address that `admin_listen` names is in use, or the system does not allow it.",
    remedy: "Stop the other program, choose another `--admin-listen` address, or `off`.",
  },
  state_directory_foreign: {
    title: "State directory is open to others",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "The state directory belongs to another user, or its group or everybody may write to it: whoever can, can put " +
      "keys and tokens of his own there.",
    remedy:
      "Run `chown` and `chmod 700` on the directory, or name another one with `--state-directory`. Look at who has " +
      "written to it before.",
  },
  state_directory_in_use: {
    title: "State directory is in use",
    blame: "operator",
    retryable: true,
    exit: 1,
    cause: "Another edge runs on the same state directory. Two on one would end each other's channels.",
    remedy:
      "Stop the other edge, or name another directory with `--state-directory`. To start the next version beside the " +
      "one that runs, use `--take-over`.",
  },
  state_directory_unusable: {
    title: "State directory cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause: "The state directory, or a file in it, cannot be made, read or written.",
    remedy: "Check the path, its owner and the free space; `--state-directory` names another one.",
  },
  viewer_stalled: {
    title: "Viewer takes nothing of its response",
    blame: "viewer",
    retryable: true,
    status: 408,
    cause: "The viewer did not read its response for as long as a viewer may stall, and was cut.",
    remedy: "Nothing, unless viewers pause on purpose: then raise `timeouts.viewer_stall`.",
  },
} as const satisfies Record<string, ErrorFacts>;
