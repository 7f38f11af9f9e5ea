import { createPrivateKey, X509Certificate } from "node:crypto";
import { devCertificateNames, makeDevCertificates } from "../../identity/dev_certificate/mod.ts";
import type { Clock, Random } from "../../ports/mod.ts";
import { replacePrivate } from "../private_file.ts";
import type { CertificateFiles } from "./certificate_file.ts";

/** They are made anew when less than this is left. */
const RENEW_BEFORE_MS = 30 * 86_400_000;

export interface DevCertificatesOptions {
  /** DNS name or IP address of the edge. */
  readonly publicHost: string;
  readonly clock: Pick<Clock, "wall">;
  readonly random: Random;
}

export interface DevCertificateFiles extends CertificateFiles {
  /** What clients are to trust: `curl --cacert`, or the trust store of a browser. */
  readonly caPath: string;
  /** Whether they are new, so that clients have to trust the authority again. */
  readonly made: boolean;
}

/**
 * Certificates for development in `<state>/tls/`: `ca.pem`, `edge.pem` and `edge.key`, for this user only. They are
 * kept as long as they fit together, cover the names and have 30 days left. The authority's key is not kept.
 * Throws `config_value_invalid` for a host that no certificate can name, `state_unwritable`.
 */
export async function loadOrMakeDevCertificates(
  stateDirectory: string,
  options: DevCertificatesOptions,
): Promise<DevCertificateFiles> {
  const directory = `${stateDirectory}/tls`;
  const paths = {
    caPath: `${directory}/ca.pem`,
    certPath: `${directory}/edge.pem`,
    keyPath: `${directory}/edge.key`,
  };
  if (await areGood(paths, options)) return { ...paths, made: false };
  const nowMs = options.clock.wall();
  const { caCert, cert, key } = await makeDevCertificates({ ...options, nowMs });
  // Files that do not fit together, after a crash in between, are made anew by the next start.
  await replacePrivate(paths.keyPath, key);
  await replacePrivate(paths.certPath, cert);
  await replacePrivate(paths.caPath, caCert);
  return { ...paths, made: true };
}

async function areGood(
  paths: { readonly caPath: string; readonly certPath: string; readonly keyPath: string },
  { publicHost, clock }: DevCertificatesOptions,
): Promise<boolean> {
  const names = devCertificateNames(publicHost);
  try {
    const ca = new X509Certificate(await Deno.readTextFile(paths.caPath));
    const cert = new X509Certificate(await Deno.readTextFile(paths.certPath));
    const key = createPrivateKey(await Deno.readTextFile(paths.keyPath));
    const covered = (cert.subjectAltName ?? "").split(", ");
    return cert.checkIssued(ca) && cert.verify(ca.publicKey) && cert.checkPrivateKey(key) &&
      names.dns.every((name) => covered.includes(`DNS:${name}`)) &&
      names.ip.every((address) => cert.checkIP(address) !== undefined) &&
      Date.parse(cert.validFrom) <= clock.wall() &&
      Date.parse(cert.validTo) - clock.wall() >= RENEW_BEFORE_MS;
  } catch {
    // Absent or damaged: made anew either way.
    return false;
  }
}
