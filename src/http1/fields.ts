/** Field lines of a head or a trailer section: a scan that notes offsets, and the list made of them. */
import { PosternError } from "../errors/mod.ts";
import { HeaderList } from "./header_list.ts";
import { CLASS, COLON, CR, HTAB, latin1, LF, PLAIN, SP, TOKEN, VALUE } from "./octets.ts";

/** {@link scanFields} reached its limit before the empty line. */
export const INCOMPLETE = -1;

// One scan at a time (nothing here awaits), so its notes live outside: four offsets a line.
let offsets = new Int32Array(4 * 128);
let fieldCount = 0;
/** Bit a line whose name holds anything but letters, digits and `-`. */
let oddNames = false;

/**
 * Scans field lines from `at` up to and including the empty line, never past `limit`.
 *
 * Returns the offset behind the empty line, or {@link INCOMPLETE}. Errors depend on the octets before them only, so a
 * message that arrives in pieces fails exactly like a whole one.
 */
export function scanFields(buffer: Uint8Array, at: number, limit: number, maxFields: number): number {
  if (offsets.length < 4 * maxFields) offsets = new Int32Array(4 * maxFields);
  fieldCount = 0;
  oddNames = false;
  for (;;) {
    if (at >= limit) return INCOMPLETE;
    const first = buffer[at];
    if (first === CR) {
      if (at + 1 >= limit) return INCOMPLETE;
      if (buffer[at + 1] !== LF) throw bareLineEnding();
      return at + 2;
    }
    if (first === LF) throw bareLineEnding();
    if (first === SP || first === HTAB) throw new PosternError("http_obs_fold");
    if (fieldCount === maxFields) {
      throw new PosternError(
        "http_too_many_headers",
        `Cannot read head: more than ${maxFields} field lines`,
        {
          detail: { limit: maxFields },
        },
      );
    }

    const nameStart = at;
    let all = PLAIN;
    for (; at < limit; at++) {
      const bits = CLASS[buffer[at]];
      if ((bits & TOKEN) === 0) break;
      all &= bits;
    }
    if (at >= limit) return INCOMPLETE;
    if (buffer[at] !== COLON || at === nameStart) throw badName(buffer[at], at === nameStart);
    if (all === 0) oddNames = true;
    const nameEnd = at++;

    let tabbed = false;
    for (; at < limit && (buffer[at] === SP || buffer[at] === HTAB); at++) tabbed ||= buffer[at] === HTAB;
    const valueStart = at;
    while (at < limit && (CLASS[buffer[at]] & VALUE) !== 0) at++;
    if (at + 1 >= limit) {
      // A CR at the very end waits for its LF; whatever else ended the value is judged now.
      if (at >= limit || buffer[at] === CR) return INCOMPLETE;
    }
    if (buffer[at] !== CR) throw badValue(buffer[at]);
    if (buffer[at + 1] !== LF) throw bareLineEnding();
    let valueEnd = at;
    for (; valueEnd > valueStart; valueEnd--) {
      const octet = buffer[valueEnd - 1];
      if (octet === HTAB) tabbed = true;
      else if (octet !== SP) break;
    }
    if (tabbed) refuseTabbedFraming(latin1(buffer, nameStart, nameEnd).toLowerCase());
    at += 2;

    const slot = 4 * fieldCount++;
    offsets[slot] = nameStart;
    offsets[slot + 1] = nameEnd;
    offsets[slot + 2] = valueStart;
    offsets[slot + 3] = valueEnd;
  }
}

/** The list of the scan just made; `text` is the decoded head, `base` the buffer offset of its first unit. */
export function scannedFields(text: string, base: number): HeaderList {
  const list = new HeaderList();
  for (let slot = 0; slot < 4 * fieldCount; slot += 4) {
    const name = text.slice(offsets[slot] - base, offsets[slot + 1] - base);
    const value = text.slice(offsets[slot + 2] - base, offsets[slot + 3] - base);
    list.appendKeyed(name, name.toLowerCase(), value);
  }
  if (oddNames) refuseLookalikes(list);
  return list;
}

/**
 * Names that an origin could take for one that decides framing or routing: CGI and its heirs map every character that
 * is not a letter or digit to `_`, so `Content_Length` and `Content.Length` become HTTP_CONTENT_LENGTH too.
 */
const CRITICAL_NAMES = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
  "keep-alive",
  "expect",
  "proxy-connection",
]);

/** A lower-case name as CGI-like origins see it. */
export function gatewayName(key: string): string {
  return ODD_NAME.test(key) ? key.replaceAll(/[^a-z0-9]/g, "-") : key;
}

export const ODD_NAME = /[^a-z0-9-]/;

/**
 * RFC 9110 5.5 allows tabs around a value, but parsers in wide use take `chunked` followed by a tab for another coding,
 * and no sender of a length has reason to.
 */
function refuseTabbedFraming(key: string): void {
  if (key === "content-length") {
    throw new PosternError("http_bad_content_length", "Cannot read Content-Length: a tab stands beside it");
  }
  if (key === "transfer-encoding") {
    throw new PosternError(
      "http_bad_transfer_encoding",
      "Cannot read Transfer-Encoding: a tab stands beside it",
    );
  }
}

/** Throws `http_lookalike_header`. */
export function refuseLookalikes(list: HeaderList): void {
  for (let at = 0; at < list.length; at++) {
    const key = list.keyAt(at);
    const seen = gatewayName(key);
    if (seen !== key && CRITICAL_NAMES.has(seen)) {
      throw new PosternError(
        "http_lookalike_header",
        `Cannot read head: field name ${JSON.stringify(key)} passes for ${seen}`,
      );
    }
  }
}

/** CR or LF alone: where a lenient neighbour would see the end of a line, and we see none. */
export function bareLineEnding(): PosternError {
  return new PosternError("http_bare_line_ending");
}

function badName(octet: number, empty: boolean): PosternError {
  if (octet === LF) return bareLineEnding();
  const why = octet === COLON && empty
    ? "it is empty"
    : octet === CR
    ? "the line has no colon"
    : octet === SP || octet === HTAB
    ? "white space stands before the colon"
    : `it holds the octet 0x${octet.toString(16).padStart(2, "0")}`;
  return new PosternError("http_bad_header_name", `Cannot read field name: ${why}`);
}

function badValue(octet: number): PosternError {
  if (octet === LF) return bareLineEnding();
  return new PosternError(
    "http_bad_header_value",
    `Cannot read field value: it holds the octet 0x${octet.toString(16).padStart(2, "0")}`,
  );
}
