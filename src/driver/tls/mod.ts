/** TLS as a server: a face of its own, so that agents need not load it. */
export {
  type AcceptedTls,
  acceptTls,
  readClientHello,
  refuseTls,
  sendAlert,
  type ServerContexts,
  type TlsAcceptOptions,
  unknownName,
} from "./accept.ts";
export type { CertificateFiles } from "./certificate_file.ts";
export type { PeekedHello } from "./hello_peek.ts";
export {
  type CertificateReload,
  CertificateStore,
  type CertificateStoreOptions,
} from "./certificate_store.ts";
export {
  type DevCertificateFiles,
  type DevCertificatesOptions,
  loadOrMakeDevCertificates,
} from "./dev_certificates.ts";
export {
  acceptMutualTls,
  connectMutualTls,
  type ExpectedPeer,
  type MutualTlsConnection,
  type MutualTlsOptions,
  NODE_PROTOCOL,
} from "./mutual_tls.ts";
export { MutualTlsListener, type MutualTlsListenerOptions } from "./mutual_tls_listener.ts";
export { type NodeCredentials, NodeIdentity, type NodeTrust } from "./node_identity.ts";
export { type PeerWatchOptions, type WatchedPeer, watchPeer } from "./peer_watch.ts";
