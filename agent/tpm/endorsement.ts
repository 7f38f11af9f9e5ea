/** The endorsement key (EK) and the certificates that the TPM's maker put beside it. */
import {
  type Certificate,
  EK_TEMPLATES,
  type EkTemplateName,
  maxCertificateBytes,
  maxChainCertificates,
  readCertificate,
} from "../../src/attestation/ek/mod.ts";
import { spkiOf, tpmHash, type TpmPublic } from "../../src/attestation/tpm/mod.ts";
import { concat, toHex } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { readHandles, readProperties } from "./capability.ts";
import { readNv } from "./nv.ts";
import { createPrimary } from "./objects.ts";
import type { TpmTurn } from "./turn.ts";

/** In the order of choice. RSA comes last: making the key may take a minute. */
const CHOICE: readonly EkTemplateName[] = ["p256", "p384", "rsa2048"];

/** NV indices of intermediate certificates (TCG EK Credential Profile 2.2.1.5.2): 0x01c00100 to 0x01c001ff. */
const FIRST_CHAIN_INDEX = 0x01c0_0100;
const LAST_CHAIN_INDEX = 0x01c0_01ff;
/** All of them together: of several chains of a maker. */
const MAX_CHAIN_BYTES = 65_536;
/** Outermost tag of a certificate, and the form of its length: two bytes follow. */
const DER_SEQUENCE = 0x30;
const DER_TWO_BYTES = 0x82;

export interface EndorsementKey {
  readonly template: EkTemplateName;
  /** What the TPM made from the template. */
  readonly area: TpmPublic;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly certificate: Certificate;
  /** DER, the EK's own first, then those that issued it as far as the TPM has them. */
  readonly certificates: readonly Uint8Array[];
}

/**
 * Finds the certified key that names this machine. Throws `tpm_ek_certificate_missing` (with the reason when there is one
 * that cannot be used) and `tpm_ek_mismatch`: the certificate is for another key than this TPM makes.
 * @param wanted the only template to look for
 */
export async function findEndorsementKey(
  turn: TpmTurn,
  wanted: EkTemplateName | undefined,
): Promise<EndorsementKey> {
  const { nvBufferBytes } = await readProperties(turn);
  const reasons: string[] = [];
  for (const template of wanted === undefined ? CHOICE : [wanted]) {
    const stored = await readNv(turn, EK_TEMPLATES[template].certificateIndex, nvBufferBytes);
    if (stored === undefined) continue;
    const certificate = usable(stored);
    if (typeof certificate === "string") {
      reasons.push(`${template}: ${certificate}`);
      continue;
    }
    const chain = issuersOf(certificate, await readChain(turn, nvBufferBytes));
    const { handle, area } = await createPrimary(turn, EK_TEMPLATES[template].area);
    await turn.flush(handle);
    const spki = spkiOf(area);
    if (toHex(tpmHash("sha256", spki)) !== certificate.keySha256) {
      throw new PosternError(
        "tpm_ek_mismatch",
        `Cannot use the TPM's ${template} key: its certificate is for another key`,
        { detail: { template } },
      );
    }
    return {
      template,
      area,
      spki,
      certificate,
      certificates: [certificate, ...chain].map(({ bytes }) => bytes),
    };
  }
  const which = wanted === undefined ? "" : ` for its ${wanted} key`;
  throw new PosternError(
    "tpm_ek_certificate_missing",
    `Cannot use the TPM: it holds no certificate${which}${
      reasons.length === 0 ? "" : ` that can be used (${reasons.join("; ")})`
    }`,
  );
}

/** The certificate, or why it is none. */
function usable(stored: Uint8Array): Certificate | string {
  try {
    return readCertificate(stored);
  } catch (error) {
    if (error instanceof PosternError) return error.message;
    throw error;
  }
}

/** All certificates of the indices for chains, which hold one after the other across the ends of indices. */
async function readChain(turn: TpmTurn, chunkBytes: number): Promise<Certificate[]> {
  const indices = (await readHandles(turn, FIRST_CHAIN_INDEX)).filter((index) => index <= LAST_CHAIN_INDEX);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (const index of indices) {
    const part = await readNv(turn, index, chunkBytes);
    if (part === undefined || (bytes += part.length) > MAX_CHAIN_BYTES) break;
    parts.push(part);
  }
  return splitCertificates(concat(...parts));
}

/** Certificates in a row, with padding (00, ff) between and behind them; ends at the first thing that is none. */
export function splitCertificates(bytes: Uint8Array): Certificate[] {
  const found: Certificate[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === 0x00 || bytes[at] === 0xff) {
      at++;
      continue;
    }
    if (bytes[at] !== DER_SEQUENCE || bytes[at + 1] !== DER_TWO_BYTES || at + 4 > bytes.length) break;
    const end = at + 4 + (bytes[at + 2] << 8 | bytes[at + 3]);
    if (end > bytes.length || end - at > maxCertificateBytes) break;
    const certificate = usable(bytes.subarray(at, end));
    if (typeof certificate === "string") break;
    found.push(certificate);
    at = end;
  }
  return found;
}

/** Those that issued the certificate, each followed by its own issuer; a self-signed one is the last. */
function issuersOf(leaf: Certificate, all: readonly Certificate[]): Certificate[] {
  const path: Certificate[] = [];
  for (let below = leaf; path.length + 1 < maxChainCertificates && below.issuer !== below.subject;) {
    const above = all.find((each) => each.subject === below.issuer && !path.includes(each));
    if (above === undefined) break;
    path.push(above);
    below = above;
  }
  return path;
}
