/** A decoded header block: pseudo-header fields and all, in order, as far as it is within the limits. */
import type { ErrorCode } from "../errors/mod.ts";
import { ENTRY_OVERHEAD_BYTES } from "./hpack_decoder.ts";

export class HeaderBlock {
  readonly names: string[] = [];
  readonly values: string[] = [];
  /** Set when fields were left out. */
  excess: ErrorCode | undefined;
  readonly #maxBytes: number;
  readonly #maxFields: number;
  #bytes = 0;

  constructor(limits: { readonly maxHeaderListBytes: number; readonly maxHeaders: number }) {
    this.#maxBytes = limits.maxHeaderListBytes;
    this.#maxFields = limits.maxHeaders + MAX_PSEUDO_FIELDS;
  }

  add(name: string, value: string): void {
    this.#bytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (this.#bytes > this.#maxBytes) this.excess ??= "http_head_too_large";
    else if (this.names.length >= this.#maxFields) this.excess ??= "http_too_many_headers";
    else {
      this.names.push(name);
      this.values.push(value);
    }
  }
}

/** `:method`, `:scheme`, `:authority`, `:path` and `:protocol` come on top of the limit. */
const MAX_PSEUDO_FIELDS = 5;
