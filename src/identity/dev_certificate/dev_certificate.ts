/**
 * Certificates for development: an authority that issues one certificate and is then gone, since its key is never
 * kept. Who trusts it trusts these names only: it is constrained to them as well.
 */
import { concat, der, ipBytes, utf8 } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { Random } from "../../ports/mod.ts";
import {
  authorityKeyId,
  basicConstraints,
  commonName,
  extendedKeyUsage,
  extension,
  KEY_USAGE_BITS,
  keyIdOf,
  keyUsage,
  P256,
  serialOf,
  signCertificate,
  spkiOfKey,
  subjectAltName,
  subjectKeyId,
} from "../../x509/mod.ts";

const dayMs = 86_400_000;
/** Browsers refuse certificates that live longer than 398 days. */
export const devCertificateLifetimeMs = 397 * dayMs;
/** Clocks of clients may be behind. */
const backdatedMs = 3_600_000;

export interface DevCertificateRequest {
  /** DNS name or IP address of the edge. */
  readonly publicHost: string;
  /** Wall clock. */
  readonly nowMs: number;
  readonly random: Random;
}

/** PEM. */
export interface DevCertificates {
  /** What clients are to trust. */
  readonly caCert: string;
  readonly cert: string;
  /** PKCS #8. Secret. */
  readonly key: string;
}

/**
 * Names that a development certificate covers: the public host, all names one label below it, and this machine.
 * A public host of one label, such as `localhost`, has no names below it that a wildcard can cover: `edge.localhost` has.
 */
export function devCertificateNames(publicHost: string): { readonly dns: string[]; readonly ip: string[] } {
  const host = publicHost.toLowerCase();
  const dns = new Set(["localhost"]);
  const ip = new Set(["127.0.0.1", "::1"]);
  if (ipBytes(host) !== undefined) ip.add(host);
  else if (
    /^(?=.{1,251}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(host)
  ) {
    dns.add(host);
    // No client takes a wildcard right below a top-level name, and some refuse the whole certificate for it.
    if (host.includes(".")) dns.add(`*.${host}`);
  } else {
    throw new PosternError(
      "config_value_invalid",
      "Cannot make a certificate for the public host: it is neither a DNS name nor an IP address",
    );
  }
  return { dns: [...dns], ip: [...ip] };
}

/** Makes the pair. Throws `config_value_invalid` for what is no host. */
export async function makeDevCertificates(request: DevCertificateRequest): Promise<DevCertificates> {
  const { random } = request;
  const names = devCertificateNames(request.publicHost);
  const notBeforeMs = request.nowMs - backdatedMs;
  // The second at the end is part of the lifetime (RFC 5280 4.1.2.5).
  const validity = { notBeforeMs, notAfterMs: notBeforeMs + devCertificateLifetimeMs - 1_000 };
  const ca = await crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
  const leaf = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  // Several authorities with one name confuse whoever removes them from a trust store.
  const caName = commonName(`Postern development CA ${random(4).toHex()}`);
  const [caKey, leafKey] = [await spkiOfKey(ca.publicKey), await spkiOfKey(leaf.publicKey)];
  const caKeyId = await keyIdOf(caKey);
  const caCert = await signCertificate(ca.privateKey, {
    ...validity,
    serial: serialOf(random(16)),
    issuer: caName,
    subject: caName,
    publicKey: caKey,
    extensions: [
      basicConstraints(0),
      keyUsage(KEY_USAGE_BITS.certificateSign),
      extension("2.5.29.30", true, nameConstraints(names)),
      subjectKeyId(caKeyId),
    ],
  });
  const cert = await signCertificate(ca.privateKey, {
    ...validity,
    serial: serialOf(random(16)),
    issuer: caName,
    subject: commonName("Postern development edge"),
    publicKey: leafKey,
    extensions: [
      basicConstraints(undefined),
      keyUsage(KEY_USAGE_BITS.digitalSignature),
      extendedKeyUsage("1.3.6.1.5.5.7.3.1"),
      subjectAltName(false, ...names.dns.map(dnsName), ...names.ip.map(ipName)),
      subjectKeyId(await keyIdOf(leafKey)),
      authorityKeyId(caKeyId),
    ],
  });
  return {
    caCert: der.toPem("CERTIFICATE", caCert),
    cert: der.toPem("CERTIFICATE", cert),
    key: der.toPem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", leaf.privateKey))),
  };
}

function dnsName(name: string): Uint8Array {
  return der.contextString(2, utf8(name));
}

function ipName(address: string): Uint8Array {
  return der.contextString(7, ipBytes(address)!);
}

/** Permitted subtrees (RFC 5280 4.2.1.10): a DNS name stands for those below it as well, an address has a mask. */
function nameConstraints(names: { readonly dns: string[]; readonly ip: string[] }): Uint8Array {
  const hosts = names.dns.filter((name) => !name.startsWith("*")).map(dnsName);
  const addresses = names.ip.map((text) => {
    const address = ipBytes(text)!;
    return der.contextString(7, concat(address, new Uint8Array(address.length).fill(0xff)));
  });
  return der.sequence(der.context(0, ...[...hosts, ...addresses].map((base) => der.sequence(base))));
}
