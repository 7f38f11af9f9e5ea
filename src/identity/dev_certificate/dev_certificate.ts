/**
 * Certificates for development: an authority that issues one certificate and is then gone, since its key is never
 * kept. Who trusts it trusts these names only: it is constrained to them as well.
 */
import { concat, der, ipBytes, utf8 } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { Random } from "../../ports/mod.ts";

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

const P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const ecdsaWithSha256 = der.sequence(der.objectIdentifier("1.2.840.10045.4.3.2"));

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
  const caKeyId = await keyId(ca.publicKey);
  const caCert = await sign(ca.privateKey, {
    ...validity,
    serial: random(16),
    issuer: caName,
    subject: caName,
    publicKey: await spki(ca.publicKey),
    extensions: [
      extension("2.5.29.19", true, der.sequence(der.boolean(true), der.integer(0))),
      extension("2.5.29.15", true, der.bitString(Uint8Array.of(0x04), 2)),
      extension("2.5.29.30", true, nameConstraints(names)),
      extension("2.5.29.14", false, der.octetString(caKeyId)),
    ],
  });
  const cert = await sign(ca.privateKey, {
    ...validity,
    serial: random(16),
    issuer: caName,
    subject: commonName("Postern development edge"),
    publicKey: await spki(leaf.publicKey),
    extensions: [
      extension("2.5.29.19", true, der.sequence()),
      extension("2.5.29.15", true, der.bitString(Uint8Array.of(0x80), 7)),
      extension("2.5.29.37", false, der.sequence(der.objectIdentifier("1.3.6.1.5.5.7.3.1"))),
      extension("2.5.29.17", false, der.sequence(...names.dns.map(dnsName), ...names.ip.map(ipName))),
      extension("2.5.29.14", false, der.octetString(await keyId(leaf.publicKey))),
      extension("2.5.29.35", false, der.sequence(der.contextString(0, caKeyId))),
    ],
  });
  return {
    caCert: der.toPem("CERTIFICATE", caCert),
    cert: der.toPem("CERTIFICATE", cert),
    key: der.toPem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", leaf.privateKey))),
  };
}

interface Certificate {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

/** Certificate of version 3 (RFC 5280 4.1). */
async function sign(key: CryptoKey, fields: Certificate): Promise<Uint8Array> {
  const body = der.sequence(
    der.context(0, der.integer(2)),
    // Positive and of one length: the first bit is cleared, the second one set.
    der.integer(fields.serial[0] & 0x7f | 0x40, ...fields.serial.subarray(1)),
    ecdsaWithSha256,
    fields.issuer,
    der.sequence(der.time(fields.notBeforeMs), der.time(fields.notAfterMs)),
    fields.subject,
    fields.publicKey,
    der.context(3, der.sequence(...fields.extensions)),
  );
  const signature = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, body));
  // WebCrypto gives r and s side by side, certificates hold them as a sequence (RFC 3279 2.2.3).
  const half = signature.length / 2;
  const pair = der.sequence(
    der.integer(...signature.subarray(0, half)),
    der.integer(...signature.subarray(half)),
  );
  return der.sequence(body, ecdsaWithSha256, der.bitString(pair));
}

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectIdentifier(oid), ...flag, der.octetString(value));
}

function commonName(text: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.objectIdentifier("2.5.4.3"), der.utf8String(text))));
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

async function spki(key: CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", key));
}

/** The first 160 bits of the SHA-256 hash of the public key (RFC 7093 2). */
async function keyId(key: CryptoKey): Promise<Uint8Array> {
  const point = await crypto.subtle.exportKey("raw", key);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", point)).subarray(0, 20);
}
