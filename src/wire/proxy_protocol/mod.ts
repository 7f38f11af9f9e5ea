/** PROXY protocol, version 2: who a connection is from, when a proxy made it. */
export {
  beginsProxyHeader,
  type Endpoint,
  MAX_PROXY_HEADER_BYTES,
  type ProxyHeader,
  proxyHeader,
  readProxyHeader,
} from "./header.ts";
