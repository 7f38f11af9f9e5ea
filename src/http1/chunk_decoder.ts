/** Chunked transfer coding, read side (RFC 9112 7.1). */
import { PosternError } from "../errors/mod.ts";
import { bareLineEnding, INCOMPLETE, scanFields } from "./fields.ts";
import { HeaderList } from "./header_list.ts";
import type { BodyLimits } from "./limits.ts";
import { CLASS, CR, HEX, LF, QUOTED, TOKEN, VALUE } from "./octets.ts";
import { scannedTrailers } from "./trailers.ts";

/**
 * ```
 *  SIZE_START -hex-> SIZE -----------CR-> SIZE_LF -LF-> DATA -> DATA_CR -> DATA_LF -> SIZE_START
 *                     | ;                  ^   \ size 0
 *                     v                CR  |    -> TRAILER_START -CR-> END_LF -> DONE
 *  NAME_START -> NAME -=-> VALUE_START -> VALUE            \-> TRAILER ----------^
 *     ^----------;--'          \-"-> QUOTED <-> ESCAPE, -"-> QUOTED_END (; or CR)
 * ```
 */
const enum State {
  SizeStart,
  Size,
  NameStart,
  Name,
  ValueStart,
  Value,
  Quoted,
  Escape,
  QuotedEnd,
  SizeLf,
  Data,
  DataCr,
  DataLf,
  TrailerStart,
  Trailer,
  EndLf,
  Done,
}

/** Most digits of a size, leading zeros included. */
const MAX_SIZE_DIGITS = 16;

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Walks over everything that is not chunk data. Extensions are checked, bounded and dropped. */
export class ChunkDecoder {
  /** Trailer fields, without the forbidden ones. */
  trailers: HeaderList = new HeaderList();

  readonly #limits: BodyLimits;
  #state: State = State.SizeStart;
  /** In the size line: size so far. In the data: octets still to come. */
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #extensionTotalBytes = 0;
  #trailer: Uint8Array | null = null;
  #trailerBytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  get done(): boolean {
    return this.#state === State.Done;
  }

  /** Offset of the next data octet in `[start, end)`, or of what follows the body once done, or `end`. */
  skipFraming(buffer: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#state !== State.Data && this.#state !== State.Done) this.#step(buffer[at++]);
    return at;
  }

  /** Takes up to `available` octets of the chunk at hand and says how many. */
  take(available: number): number {
    const taken = Math.min(available, this.#size);
    this.#size -= taken;
    if (this.#size === 0) this.#state = State.DataCr;
    return taken;
  }

  #step(octet: number): void {
    switch (this.#state) {
      case State.SizeStart:
        if (HEX[octet] === 255) throw badChunk("the size does not start with a digit", octet);
        this.#size = this.#digits = this.#extensionBytes = 0;
        this.#digit(HEX[octet]);
        this.#state = State.Size;
        return;
      case State.Size:
        if (HEX[octet] !== 255) this.#digit(HEX[octet]);
        else this.#afterItem(octet, "the size holds something else than hexadecimal digits");
        return;
      case State.NameStart:
      case State.Name:
      case State.ValueStart:
      case State.Value:
      case State.Quoted:
      case State.Escape:
      case State.QuotedEnd:
        this.#extension(octet);
        return;
      case State.SizeLf:
        if (octet !== LF) throw bareLineEnding();
        this.#state = this.#size === 0 ? State.TrailerStart : State.Data;
        return;
      case State.DataCr:
        if (octet !== CR) throw badChunk("its data is longer than its size", octet);
        this.#state = State.DataLf;
        return;
      case State.DataLf:
        if (octet !== LF) throw bareLineEnding();
        this.#state = State.SizeStart;
        return;
      case State.TrailerStart:
        if (octet === CR) this.#state = State.EndLf;
        else {
          this.#state = State.Trailer;
          this.#trailerOctet(octet);
        }
        return;
      case State.Trailer:
        this.#trailerOctet(octet);
        return;
      case State.EndLf:
        if (octet !== LF) throw bareLineEnding();
        this.#state = State.Done;
        return;
      case State.Data:
      case State.Done:
        return;
      default:
        this.#state satisfies never;
    }
  }

  #digit(value: number): void {
    if (++this.#digits > MAX_SIZE_DIGITS) throw badChunk(`the size has more than ${MAX_SIZE_DIGITS} digits`);
    this.#size = this.#size * 16 + value;
    if (this.#size > this.#limits.maxChunkBytes) {
      throw new PosternError("http_chunk_too_large", undefined, {
        detail: { limit: this.#limits.maxChunkBytes },
      });
    }
  }

  /** `;` or the line's end behind a size, an extension name or value. White space there is refused. */
  #afterItem(octet: number, why: string): void {
    if (octet === SEMICOLON) this.#state = State.NameStart;
    else if (octet === CR) this.#state = State.SizeLf;
    else throw badChunk(why, octet);
  }

  #extension(octet: number): void {
    if (
      ++this.#extensionBytes > this.#limits.maxChunkExtensionBytes ||
      ++this.#extensionTotalBytes > this.#limits.maxChunkExtensionTotalBytes
    ) throw badChunk("its extensions are too long");
    const isToken = (CLASS[octet] & TOKEN) !== 0;
    switch (this.#state) {
      case State.NameStart:
        if (!isToken) throw badChunk("an extension name is malformed", octet);
        this.#state = State.Name;
        return;
      case State.Name:
        if (octet === EQUALS) this.#state = State.ValueStart;
        else if (!isToken) this.#afterItem(octet, "an extension name is malformed");
        return;
      case State.ValueStart:
        if (octet === QUOTE) this.#state = State.Quoted;
        else if (isToken) this.#state = State.Value;
        else throw badChunk("an extension value is malformed", octet);
        return;
      case State.Value:
        if (!isToken) this.#afterItem(octet, "an extension value is malformed");
        return;
      case State.Quoted:
        if (octet === QUOTE) this.#state = State.QuotedEnd;
        else if (octet === BACKSLASH) this.#state = State.Escape;
        else if ((CLASS[octet] & QUOTED) === 0) {
          throw badChunk("a quoted extension value is malformed", octet);
        }
        return;
      case State.Escape:
        if ((CLASS[octet] & VALUE) === 0) throw badChunk("a quoted extension value is malformed", octet);
        this.#state = State.Quoted;
        return;
      default:
        this.#afterItem(octet, "something follows a quoted extension value");
    }
  }

  /** Collects the section and looks at it at every line feed; it is small, and most bodies have none. */
  #trailerOctet(octet: number): void {
    const limits = this.#limits;
    this.#trailer ??= new Uint8Array(limits.maxTrailerBytes);
    if (this.#trailerBytes === this.#trailer.length) {
      throw new PosternError("http_trailers_too_large", undefined, {
        detail: { limit: limits.maxTrailerBytes },
      });
    }
    this.#trailer[this.#trailerBytes++] = octet;
    if (octet !== LF) return;
    if (scanFields(this.#trailer, 0, this.#trailerBytes, limits.maxTrailers) === INCOMPLETE) return;
    this.trailers = scannedTrailers(this.#trailer, this.#trailerBytes);
    this.#trailer = null;
    this.#state = State.Done;
  }
}

function badChunk(why: string, octet?: number): PosternError {
  if (octet === LF) return bareLineEnding();
  return new PosternError("http_bad_chunk", `Cannot read chunk: ${why}`);
}
