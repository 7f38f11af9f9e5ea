/** NV indices (Part 2, 13; Part 3, 31): where the TPM's maker puts certificates. */
import { concat } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { maxDigestBytes, maxNameBytes, TpmReader, TpmRh, TpmWriter } from "../../src/attestation/tpm/mod.ts";
import { isCode, TpmRc } from "./response_code.ts";
import type { TpmTurn } from "./turn.ts";

/** TPMA_NV (Part 2, 13.4). */
const TpmNv = { ownerRead: 1 << 17, authRead: 1 << 18, written: 1 << 29 } as const;

/** Largest index that is read: a certificate has one or two KiB. */
const MAX_INDEX_BYTES = 16_384;
/** Largest TPM2B_NV_PUBLIC. */
const MAX_NV_PUBLIC_BYTES = 128;

interface NvIndex {
  readonly attributes: number;
  readonly bytes: number;
}

/**
 * What an index holds; undefined when there is none, when it was never written, or when reading it takes a password.
 * @param chunkBytes most bytes of one read
 */
export async function readNv(
  turn: TpmTurn,
  index: number,
  chunkBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const facts = await readNvPublic(turn, index);
  if (facts === undefined || (facts.attributes & TpmNv.written) === 0) return undefined;
  const byIndex = (facts.attributes & TpmNv.authRead) !== 0;
  if ((!byIndex && (facts.attributes & TpmNv.ownerRead) === 0) || facts.bytes > MAX_INDEX_BYTES) {
    return undefined;
  }
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < facts.bytes;) {
    const size = Math.min(chunkBytes, facts.bytes - at);
    const chunk = await turn.run({
      name: "nvRead",
      handles: [byIndex ? index : TpmRh.owner, index],
      authorizations: [TpmRh.password],
      parameters: new TpmWriter().u16(size).u16(at).bytes(),
    }, (reader) => reader.sized(size));
    if (chunk.length !== size) {
      throw new PosternError(
        "tpm_response_invalid",
        `Cannot read NV index 0x${hex(index)}: a part is missing`,
      );
    }
    chunks.push(chunk);
    at += size;
  }
  return concat(...chunks);
}

/** TPM2_NV_ReadPublic; undefined when there is no such index. */
async function readNvPublic(turn: TpmTurn, index: number): Promise<NvIndex | undefined> {
  try {
    return await turn.run({ name: "nvReadPublic", handles: [index] }, (reader) => {
      const area = new TpmReader(reader.sized(MAX_NV_PUBLIC_BYTES), "TPMS_NV_PUBLIC");
      if (area.u32() !== index) throw reader.malformed("it is about another index");
      area.u16(); // nameAlg: the name is not used
      const attributes = area.u32();
      area.sized(maxDigestBytes); // policy
      const bytes = area.u16();
      area.end();
      reader.sized(maxNameBytes);
      return { attributes, bytes };
    });
  } catch (error) {
    if (error instanceof PosternError && isCode(Number(error.detail.rc ?? 0), TpmRc.handle)) return undefined;
    throw error;
  }
}

function hex(index: number): string {
  return index.toString(16).padStart(8, "0");
}
