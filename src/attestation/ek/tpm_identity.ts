/** Which TPM an EK certificate is for: TCG EK Credential Profile, "Subject Alternative Name". */
import { der, fromHex, utf8Decode } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";

/** Text of the certificate: a manufacturer's, printable. */
export interface TpmIdentity {
  /** `id:` and the vendor's id of four bytes in hex, e.g. `id:494E5443` (INTC). */
  readonly manufacturer: string;
  readonly model: string;
  /** Firmware version when it was made: `id:` and hex. Updates do not change the certificate. */
  readonly version: string;
}

const attributes = Object.freeze({
  manufacturer: "2.23.133.2.1",
  model: "2.23.133.2.2",
  version: "2.23.133.2.3",
});
/** TCG strings are far shorter. */
const maxTextBytes = 128;

/**
 * From the directory names of a subject alternative name.
 * @throws PosternError `ek_tpm_identity_missing` unless each attribute is there once, as printable text
 */
export function tpmIdentityOf(directoryNames: readonly Uint8Array[]): TpmIdentity {
  const values = new Map<string, string[]>();
  try {
    for (const name of directoryNames) readAttributes(name, values);
  } catch (error) {
    if (!(error instanceof der.DerError || error instanceof TypeError)) throw error;
    throw missing("its names are malformed", error);
  }
  const one = (oid: string): string => {
    const [text, ...more] = values.get(oid) ?? [];
    if (text === undefined) throw missing(`attribute ${oid} is absent`);
    if (more.length > 0) throw missing(`attribute ${oid} is there more than once`);
    if (text.trim() === "" || /[^\x20-\x7e]/.test(text)) {
      throw missing(`attribute ${oid} is no printable text`);
    }
    return text;
  };
  return {
    manufacturer: one(attributes.manufacturer),
    model: one(attributes.model),
    version: one(attributes.version),
  };
}

/** RDNSequence (RFC 5280 4.1.2.4); one set may hold all attributes, or each one a set of its own. */
function readAttributes(name: Uint8Array, into: Map<string, string[]>): void {
  const sets = new der.DerReader(name).enter();
  while (!sets.isEmpty) {
    const pairs = sets.enter(der.TAG.set);
    while (!pairs.isEmpty) {
      const pair = pairs.enter();
      const oid = pair.objectIdentifier();
      const value = pair.read();
      pair.end();
      if (!oid.startsWith("2.23.133.2.")) continue;
      const texts = into.get(oid);
      if (texts === undefined) into.set(oid, [textOf(value)]);
      else texts.push(textOf(value));
    }
  }
}

function textOf({ tag, content }: der.DerElement): string {
  const { utf8String, printableString, ia5String, teletexString } = der.TAG;
  if (![utf8String, printableString, ia5String, teletexString].some((known) => known === tag)) {
    throw new der.DerError("an attribute is no text");
  }
  if (content.length > maxTextBytes) throw new der.DerError("an attribute is too long");
  return utf8Decode(content);
}

/** The vendor's id as its letters, e.g. `INTC`; undefined when it is none of the usual form. */
export function vendorOf({ manufacturer }: TpmIdentity): string | undefined {
  const hex = /^id:([0-9A-Fa-f]{8})$/.exec(manufacturer)?.[1];
  if (hex === undefined) return undefined;
  // TCG Vendor ID Registry: four letters, filled up with spaces or zeros.
  const letters = String.fromCharCode(...fromHex(hex)).replace(/[\0 ]+$/, "");
  return /^[\x21-\x7e]+$/.test(letters) ? letters : undefined;
}

function missing(state: string, cause?: unknown): PosternError {
  return new PosternError(
    "ek_tpm_identity_missing",
    `Cannot accept the EK certificate: it does not say which TPM it is for (${state})`,
    { cause },
  );
}
