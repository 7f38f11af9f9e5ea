/** TPM byte order (Part 1, 4.4: big-endian) and sized buffers (TPM2B), read strictly and written. */
import { concat } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";

/** One structure of the TPM, both ways. `read` takes exactly what belongs to it. */
export interface TpmStructure<T> {
  /** As the TCG calls it, e.g. `TPMS_ATTEST`. */
  readonly name: string;
  /** Throws `tpm_structure_truncated`, `tpm_structure_malformed` and what the structure adds. */
  read(reader: TpmReader): T;
  /** Throws RangeError for a value that no TPM could hold. */
  write(writer: TpmWriter, value: T): void;
}

/**
 * Reads bytes that are one structure and nothing else. Throws `tpm_structure_truncated`, `tpm_structure_trailing`,
 * `tpm_structure_malformed`, `tpm_hash_weak`, `tpm_algorithm_unsupported`; for TPMS_ATTEST `tpm_magic_wrong` and
 * `tpm_attest_unsupported` as well.
 */
export function decodeTpm<T>(structure: TpmStructure<T>, bytes: Uint8Array): T {
  const reader = new TpmReader(bytes, structure.name);
  const value = structure.read(reader);
  reader.end();
  return value;
}

/** The bytes of a structure. Throws RangeError for a value that no TPM could hold. */
export function encodeTpm<T>(structure: TpmStructure<T>, value: T): Uint8Array<ArrayBuffer> {
  const writer = new TpmWriter();
  structure.write(writer, value);
  return writer.bytes();
}

/** A cursor over the bytes of a peer or a TPM. */
export class TpmReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #structure: string;
  #at = 0;

  /** @param structure what is read, for messages. */
  constructor(bytes: Uint8Array, structure: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#structure = structure;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  /** A copy of the next bytes. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const at = this.#advance(length);
    return new Uint8Array(this.#bytes.subarray(at, at + length));
  }

  /** A TPM2B: u16 size and as many bytes, at most `maxBytes`. */
  sized(maxBytes: number): Uint8Array<ArrayBuffer> {
    const size = this.u16();
    if (size > maxBytes) {
      throw this.malformed(`a buffer declares ${size} bytes, at most ${maxBytes} are allowed`);
    }
    return this.take(size);
  }

  /** Throws `tpm_structure_trailing` unless everything was read. */
  end(): void {
    if (this.left > 0) {
      throw new PosternError(
        "tpm_structure_trailing",
        `Cannot read ${this.#structure}: ${this.left} bytes follow it`,
        { detail: { structure: this.#structure } },
      );
    }
  }

  /** What to throw for a field that cannot be. */
  malformed(state: string): PosternError {
    return new PosternError("tpm_structure_malformed", `Cannot read ${this.#structure}: ${state}`, {
      detail: { structure: this.#structure },
    });
  }

  /** What to throw for an algorithm that is not taken. */
  unsupported(what: string, id: number): PosternError {
    const hex = `0x${id.toString(16).padStart(4, "0")}`;
    return new PosternError(
      "tpm_algorithm_unsupported",
      `Cannot read ${this.#structure}: its ${what} ${hex} is not supported`,
      { detail: { structure: this.#structure, algorithm: hex } },
    );
  }

  #advance(length: number): number {
    if (length > this.left) {
      throw new PosternError("tpm_structure_truncated", `Cannot read ${this.#structure}: it ends too early`, {
        detail: { structure: this.#structure },
      });
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** Collects the bytes of structures. */
export class TpmWriter {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    return this.#integer(value, 1);
  }

  u16(value: number): this {
    return this.#integer(value, 2);
  }

  u32(value: number): this {
    return this.#integer(value, 4);
  }

  u64(value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`Cannot write ${value}: it is no u64`);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value);
    return this.put(bytes);
  }

  /** Bytes as they are. */
  put(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  /** A TPM2B: u16 size and the bytes. */
  sized(bytes: Uint8Array, maxBytes: number): this {
    if (bytes.length > maxBytes) {
      throw new RangeError(`Cannot write a buffer of ${bytes.length} bytes: at most ${maxBytes} are allowed`);
    }
    return this.u16(bytes.length).put(bytes);
  }

  /** Everything written so far, in one array. */
  bytes(): Uint8Array<ArrayBuffer> {
    return concat(...this.#parts);
  }

  #integer(value: number, size: 1 | 2 | 4): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
      throw new RangeError(`Cannot write ${value}: it is no u${8 * size}`);
    }
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return this.put(bytes.subarray(4 - size));
  }
}
