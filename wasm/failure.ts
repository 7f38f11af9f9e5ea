import { PosternError } from "../src/errors/mod.ts";
import { STATUS } from "./instance.ts";

/** The error of a status other than done. */
export function failureOf(status: number, act: string, offset: number, bytes: number): PosternError {
  switch (status) {
    case STATUS.tagMismatch:
      return new PosternError("aead_tag_mismatch");
    case STATUS.stale:
      return new PosternError("key_handle_stale", `Cannot ${act}: the key was wiped or never existed`);
    case STATUS.spent:
      return new PosternError("nonce_exhausted", `Cannot ${act}: the nonces of the key are spent`);
    case STATUS.bounds:
      return outOfBounds(act, offset, bytes);
    default:
      throw new TypeError(`Cannot read the core's status ${status}: it is none of its own`);
  }
}

/** `core_bounds` for a range. */
export function outOfBounds(act: string, offset: number, bytes: number): PosternError {
  return new PosternError(
    "core_bounds",
    `Cannot ${act} ${bytes} bytes at ${offset}: outside the arena or overlapping`,
    { detail: { offset, bytes } },
  );
}

/** `key_length_invalid`. */
export function wrongLength(what: string, length: number, expected: number): PosternError {
  return new PosternError(
    "key_length_invalid",
    `Cannot use a ${what} of ${length} bytes: it needs ${expected}`,
  );
}
