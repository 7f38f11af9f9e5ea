/** Extensions of certificates (RFC 5280 4.2) that decide anything here. */
import { der } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";

export interface BasicConstraints {
  readonly isAuthority: boolean;
  /** Most certificates that may stand between it and the last one. */
  readonly maxBelow: number | undefined;
}

/** What of the extensions is used. Absent ones are undefined. */
export interface Extensions {
  readonly basicConstraints: BasicConstraints | undefined;
  /** Numbers of RFC 5280 4.2.1.3. */
  readonly keyUsage: ReadonlySet<number> | undefined;
  /** Dotted. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Directory names of the subject alternative name: RDNSequence, whole elements. */
  readonly directoryNames: readonly Uint8Array[];
  /** URIs of the subject alternative name, an octet a character; and how many names of any kind it has. */
  readonly uris: readonly string[];
  readonly alternativeNames: number;
  /** Hex. */
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  /** Dotted, of those that are critical and mean nothing to this reader. */
  readonly unknownCritical: readonly string[];
}

/** RFC 5280 4.2.1.3. */
export const KEY_USAGE = Object.freeze({
  digitalSignature: 0,
  keyEncipherment: 2,
  keyAgreement: 4,
  certificateSign: 5,
  crlSign: 6,
});

const oids = Object.freeze({
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  /** Taken as RFC 5280 6.1.1 does when any policy will do and none is demanded: nothing follows from it. */
  certificatePolicies: "2.5.29.32",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
});
const known: ReadonlySet<string> = new Set(Object.values(oids));

const maxExtensions = 64;
/** Entries of one list within an extension. */
const maxEntries = 64;

/** One extension as it stands there. */
export interface RawExtension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** The list by identifier (RFC 5280 4.1.2.9). Throws `DerError`, `ek_extension_duplicate`. */
export function readExtensionList(list: der.DerReader): ReadonlyMap<string, RawExtension> {
  const found = new Map<string, RawExtension>();
  while (!list.isEmpty) {
    const extension = list.enter();
    const oid = extension.objectIdentifier();
    const critical = extension.readOptional(der.TAG.boolean);
    const value = extension.read(der.TAG.octetString).content;
    extension.end();
    if (found.has(oid)) {
      throw new PosternError(
        "ek_extension_duplicate",
        "Cannot read the certificate: it has one extension twice",
        {
          detail: { extension: oid },
        },
      );
    }
    if (found.size === maxExtensions) throw new der.DerError("there are too many extensions");
    found.set(oid, { critical: critical !== undefined && der.toBoolean(critical), value });
  }
  return found;
}

/** Throws `DerError` for a known extension that is malformed. */
export function readExtensions(raw: ReadonlyMap<string, RawExtension>): Extensions {
  const read = <T>(oid: string, parse: (reader: der.DerReader) => T): T | undefined => {
    const extension = raw.get(oid);
    if (extension === undefined) return undefined;
    const reader = new der.DerReader(extension.value);
    const value = parse(reader);
    reader.end();
    return value;
  };
  const names = read(oids.subjectAltName, generalNames) ?? [];
  return {
    basicConstraints: read(oids.basicConstraints, basicConstraints),
    keyUsage: read(oids.keyUsage, (reader) => reader.namedBits()),
    extendedKeyUsage: read(oids.extendedKeyUsage, identifiers),
    directoryNames: names.filter(({ tag }) => tag === 0xa4).map(directoryName),
    uris: names.filter(({ tag }) => tag === 0x86).map(uriOf),
    alternativeNames: names.length,
    subjectKeyId: read(oids.subjectKeyId, (reader) => reader.read(der.TAG.octetString).content.toHex()),
    authorityKeyId: read(oids.authorityKeyId, authorityKeyId),
    unknownCritical: [...raw].filter(([oid, { critical }]) => critical && !known.has(oid)).map(([oid]) =>
      oid
    ),
  };
}

function basicConstraints(reader: der.DerReader): BasicConstraints {
  const fields = reader.enter();
  const authority = fields.readOptional(der.TAG.boolean);
  const maxBelow = fields.isEmpty ? undefined : fields.smallInteger();
  fields.end();
  return { isAuthority: authority !== undefined && der.toBoolean(authority), maxBelow };
}

function identifiers(reader: der.DerReader): string[] {
  const list = reader.enter();
  const found: string[] = [];
  do {
    found.push(list.objectIdentifier());
  } while (!list.isEmpty && found.length < maxEntries);
  list.end();
  return found;
}

/** GeneralNames (RFC 5280 4.2.1.6), whatever they are. */
function generalNames(reader: der.DerReader): der.DerElement[] {
  const list = reader.enter();
  const found: der.DerElement[] = [];
  while (!list.isEmpty) {
    if (found.length === maxEntries) throw new der.DerError("there are too many names");
    found.push(list.read());
  }
  return found;
}

/** Choice 4 holds one name. */
function directoryName({ content }: der.DerElement): Uint8Array {
  const inner = new der.DerReader(content);
  const name = inner.read(der.TAG.sequence).whole;
  inner.end();
  return name;
}

/** Choice 6: an IA5String, taken as it is. */
function uriOf({ content }: der.DerElement): string {
  return String.fromCharCode(...content);
}

function authorityKeyId(reader: der.DerReader): string | undefined {
  return reader.enter().readOptional(0x80)?.content.toHex();
}
