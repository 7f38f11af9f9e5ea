/** Heads and trailers that came as a list of fields, not as octets with line ends: HTTP/2. Judged as strictly as those. */
import { PosternError } from "../errors/mod.ts";
import { ODD_NAME, refuseLookalikes } from "./fields.ts";
import type { HeaderList } from "./header_list.ts";
import { BODY_LIMITS, type BodyLimits, MAX_METHOD_LENGTH } from "./limits.ts";
import { CLASS, METHOD, TARGET, TOKEN, VALUE } from "./octets.ts";
import { judge, type RequestHead } from "./request_head.ts";
import { fieldsLength } from "./serialize.ts";
import { isForbiddenTrailer } from "./trailers.ts";

/**
 * The request head that these parts are. Field names are in lower case, `host` among them. Throws as
 * `parseRequestHead`; the message can be answered, since its end is known.
 */
export function listedRequestHead(
  method: string,
  target: string,
  headers: HeaderList,
  maxTargetBytes: number,
): RequestHead {
  if (!consistsOf(method, METHOD) || method.length > MAX_METHOD_LENGTH) {
    throw new PosternError("http_bad_method", "Cannot read method: it is no token in upper case");
  }
  if (target.length > maxTargetBytes) throw new PosternError("http_uri_too_long");
  if (!consistsOf(target, TARGET)) {
    throw new PosternError(
      "http_bad_target",
      "Cannot read request target: it holds an octet that no target has",
    );
  }
  checkFields(headers);
  return judge(0, method, target, 1, headers);
}

/** The trailers that may be passed on. Throws as for a trailer section behind a chunked body. */
export function listedTrailers(headers: HeaderList, limits: BodyLimits = BODY_LIMITS): HeaderList {
  if (headers.length > limits.maxTrailers || fieldsLength(headers) > limits.maxTrailerBytes) {
    throw new PosternError("http_trailers_too_large");
  }
  checkFields(headers);
  if (headers.has("content-length")) {
    throw new PosternError("http_conflicting_framing", "Cannot read trailers: they state a message length");
  }
  return headers.without(isForbiddenTrailer);
}

/** RFC 9113 8.2.1. */
function checkFields(headers: HeaderList): void {
  let odd = false;
  for (let at = 0; at < headers.length; at++) {
    const name = headers.nameAt(at);
    if (!consistsOf(name, TOKEN) || name !== headers.keyAt(at)) {
      throw new PosternError(
        "http_bad_header_name",
        `Cannot read field name: it is no token in lower case`,
      );
    }
    odd ||= ODD_NAME.test(name);
    const value = headers.valueAt(at);
    if (value !== "" && (!consistsOf(value, VALUE) || BLANK_EDGE.test(value))) {
      throw new PosternError(
        "http_bad_header_value",
        "Cannot read field value: it holds a control octet, or white space at its edge",
      );
    }
  }
  if (odd) refuseLookalikes(headers);
}

const BLANK_EDGE = /^[ \t]|[ \t]$/;

function consistsOf(text: string, bits: number): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 255 || (CLASS[unit] & bits) === 0) return false;
  }
  return text.length > 0;
}
