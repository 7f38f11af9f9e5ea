/**
 * The hash of an audit line, which covers the hash of the line before it:
 *
 * ```
 * BLAKE3 of, for each field in this order,  u32 big-endian length | bytes
 *   context    "postern/audit/v1"
 *   previous   32 bytes: the hash of the line before, zeros for the first
 *   id, at     decimal digits; at is Unix milliseconds
 *   actor, action, subject, outcome   UTF-8
 *   detail     JSON text, UTF-8
 * ```
 * Who changes, removes or inserts a line has to change every hash after it, and so the last, which others may have noted.
 */
import { createBLAKE3 } from "hash-wasm";
import { fromHex, utf8 } from "../bytes/mod.ts";
import type { AuditLine } from "../ports/mod.ts";

const context = "postern/audit/v1";

/** What stands for the hash before the first line: 64 zeros. */
export const genesisHash = "0".repeat(64);

/** Hashes bytes, one call at a time. */
export type AuditHasher = (parts: readonly Uint8Array[]) => string;

/** Loads BLAKE3. What it returns is synchronous, so that a line can be hashed inside a transaction. */
export async function openAuditHasher(): Promise<AuditHasher> {
  const hasher = await createBLAKE3();
  return (parts) => {
    hasher.init();
    for (const part of parts) hasher.update(part);
    return hasher.digest("hex");
  };
}

/** Throws RangeError when `previous` is no hash. */
export function auditHash(hasher: AuditHasher, line: Omit<AuditLine, "hash">): string {
  if (!/^[0-9a-f]{64}$/.test(line.previous)) {
    throw new RangeError("Cannot hash audit line: previous is no hash");
  }
  const fields = [
    utf8(context),
    fromHex(line.previous),
    utf8(String(line.id)),
    utf8(String(line.atMs)),
    ...[line.actor, line.action, line.subject, line.outcome].map(utf8),
    utf8(JSON.stringify(line.detail)),
  ];
  return hasher(fields.flatMap((field) => [lengthOf(field), field]));
}

function lengthOf(field: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, field.length);
  return length;
}
