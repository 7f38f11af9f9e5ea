/**
 * What a relay reads and says itself. All other records are the endpoints' own, and it passes them on unread.
 *
 * ```
 * endpoint -> relay   {"type":"attach","v":1,"channel_id","role","token"}       first record, unless the token came in a header
 * relay -> endpoint   {"type":"paired","v":1,"idle_timeout_seconds","max_record_bytes"}   first record; then those of the peer
 * ```
 */
import { z } from "zod";
import { utf8, utf8Decode } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { maxTokenChars } from "../identity/mod.ts";
import { relayRefusal } from "./reason.ts";

/** Where edges take attaches. No token belongs there. */
export const ATTACH_PATH = "/v1/channel/attach";
/** Longest attach record. */
export const MAX_ATTACH_BYTES = 8_192;
/** Longest paired record. */
const MAX_PAIRED_BYTES = 1_024;

const attachRecord = z.strictObject({
  type: z.literal("attach"),
  v: z.literal(1),
  channel_id: z.string().min(1).max(256),
  role: z.enum(["client", "server"]),
  token: z.string().min(16).max(Math.min(maxTokenChars, MAX_ATTACH_BYTES)),
});
export type AttachRecord = z.infer<typeof attachRecord>;

/** Later versions may say more. */
const pairedRecord = z.object({
  type: z.literal("paired"),
  v: z.literal(1),
  /** Without a record in so long, either way, the channel ends. */
  idle_timeout_seconds: z.int().min(1).max(86_400),
  max_record_bytes: z.int().min(1_024).max(2_147_483_647),
});
export type PairedRecord = z.infer<typeof pairedRecord>;

export function encodeAttach(record: Pick<AttachRecord, "channel_id" | "role" | "token">): Uint8Array {
  const { channel_id, role, token } = record;
  return utf8(JSON.stringify({ type: "attach", v: 1, channel_id, role, token } satisfies AttachRecord));
}

/** @throws PosternError `relay_attach_expected` for what is no attach at all, `relay_attach_invalid` */
export function readAttach(bytes: Uint8Array): AttachRecord {
  if (bytes.length > MAX_ATTACH_BYTES) {
    throw relayRefusal("invalid_attach", `Cannot attach: the first record is over ${MAX_ATTACH_BYTES} bytes`);
  }
  const value = jsonOf(bytes);
  if (typeof value !== "object" || value === null || !("type" in value) || value.type !== "attach") {
    throw relayRefusal("expected_attach", "Cannot attach: the first record is none that attaches");
  }
  const parsed = attachRecord.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0].path.join(".");
  throw relayRefusal("invalid_attach", "Cannot attach: the record has missing, wrong or unknown fields", {
    field: field.slice(0, 64),
  });
}

export function encodePaired(
  record: Pick<PairedRecord, "idle_timeout_seconds" | "max_record_bytes">,
): Uint8Array {
  const { idle_timeout_seconds, max_record_bytes } = record;
  return utf8(
    JSON.stringify({ type: "paired", v: 1, idle_timeout_seconds, max_record_bytes } satisfies PairedRecord),
  );
}

/** For endpoints: the relay's word that the other half is there. @throws PosternError `relay_paired_invalid` */
export function readPaired(bytes: Uint8Array): PairedRecord {
  const parsed = pairedRecord.safeParse(bytes.length > MAX_PAIRED_BYTES ? undefined : jsonOf(bytes));
  if (parsed.success) return parsed.data;
  throw new PosternError(
    "relay_paired_invalid",
    "Cannot use the relay: its first record does not say that the channel is paired",
  );
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Decode(bytes));
  } catch {
    return undefined;
  }
}
