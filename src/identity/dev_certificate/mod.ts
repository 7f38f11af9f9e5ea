/** Certificates for development. */
export {
  devCertificateLifetimeMs,
  devCertificateNames,
  type DevCertificateRequest,
  type DevCertificates,
  makeDevCertificates,
} from "./dev_certificate.ts";
