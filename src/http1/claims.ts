/** Fields by which somebody in front tells who the viewer is and what it asked for. */

/**
 * Claims about the viewer that only the edge may make, by the name that a CGI-like origin would see. `Proxy` becomes
 * HTTP_PROXY there, which HTTP clients obey.
 */
export const CLAIMS = new Set([
  "proxy",
  "x-original-host",
  "x-original-url",
  "x-rewrite-url",
  "x-request-id",
]);

/** The same, as proxies and content networks write them: passed on where a trusted one stands in front. */
export const PROXY_CLAIMS = new Set([
  "forwarded",
  "forwarded-for",
  "x-forwarded",
  "client-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-real-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-pseudo-ipv4",
  "fastly-client-ip",
  "x-appengine-user-ip",
  "x-azure-clientip",
  "x-envoy-external-address",
]);
