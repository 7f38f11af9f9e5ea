/** What a form has brought. */
import type { Context } from "hono";
import { concat, utf8Decode } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** Longest body of a form: a policy is the largest. */
const maxFormBytes = 131_072;

/**
 * Reads the body within its limit. Each name counts once, the first time. Throws `content_type_unsupported`, `body_too_large`,
 * `body_malformed`.
 */
export async function readForm(context: Context): Promise<Form> {
  const request = context.req.raw;
  const type = request.headers.get("Content-Type") ?? "";
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(type)) {
    throw new PosternError("content_type_unsupported", "Cannot read request: it does not come from a form");
  }
  const tooLarge = () =>
    new PosternError("body_too_large", `Cannot read request: its body exceeds ${maxFormBytes} bytes`);
  // A declared length is refused before the body is waited for.
  if (Number(request.headers.get("Content-Length") ?? 0) > maxFormBytes) throw tooLarge();
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const part of request.body ?? []) {
    total += part.length;
    if (total > maxFormBytes) throw tooLarge();
    parts.push(part);
  }
  return new Form(new URLSearchParams(textOf(concat(...parts))));
}

function textOf(bytes: Uint8Array): string {
  try {
    return utf8Decode(bytes);
  } catch (cause) {
    throw new PosternError("body_malformed", "Cannot read request: its body is no text", { cause });
  }
}

export class Form {
  readonly #fields: URLSearchParams;

  constructor(fields: URLSearchParams) {
    this.#fields = fields;
  }

  /** Without the blanks around it; empty when it is not there. */
  text(name: string): string {
    return (this.#fields.get(name) ?? "").trim();
  }

  /** As it was typed. */
  secret(name: string): string {
    return this.#fields.get(name) ?? "";
  }

  /** Undefined when nothing was filled in. Throws `request_invalid` for what is no whole number. */
  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === "") return undefined;
    if (/^[0-9]{1,9}$/.test(text)) return Number(text);
    throw new PosternError("request_invalid", `Cannot read request: ${name}: must be a whole number`);
  }

  /** Words between commas or blanks. */
  words(name: string): string[] {
    return this.text(name).split(/[\s,]+/).filter((word) => word !== "");
  }

  isChecked(name: string): boolean {
    return this.#fields.has(name);
  }
}
