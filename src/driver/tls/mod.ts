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
