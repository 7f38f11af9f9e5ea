/** Reads fields of untrusted JSON, and says where one is wrong. */
import { fromHex } from "../../src/bytes/mod.ts";
import { MalformedVectors } from "./result.ts";

/** One JSON object of a vector file. `path` is where it stands, as in "vectors[3]". */
export class Fields {
  readonly #object: Record<string, unknown>;
  readonly path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new MalformedVectors(`${path} is not an object`);
    }
    this.#object = value as Record<string, unknown>;
    this.path = path;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name) && this.#object[name] !== null;
  }

  string(name: string): string {
    const value = this.#object[name];
    if (typeof value !== "string") throw new MalformedVectors(`${this.path}.${name} is not a string`);
    return value;
  }

  /** A whole number from 0 on. */
  number(name: string): number {
    const value = this.#object[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw new MalformedVectors(`${this.path}.${name} is not a whole number`);
    }
    return value;
  }

  /** Bytes of a hex string; undefined when the field is absent. */
  optionalHex(name: string): Uint8Array<ArrayBuffer> | undefined {
    return this.has(name) ? hex(this.#object[name], `${this.path}.${name}`) : undefined;
  }

  hex(name: string): Uint8Array<ArrayBuffer> {
    return hex(this.#object[name], `${this.path}.${name}`);
  }

  /** Bytes of an array of hex strings; empty when the field is absent. */
  hexList(name: string): Uint8Array<ArrayBuffer>[] {
    if (!this.has(name)) return [];
    return this.#array(name).map((value, i) => hex(value, `${this.path}.${name}[${i}]`));
  }

  objects(name: string): Fields[] {
    return this.#array(name).map((value, i) =>
      new Fields(value, `${this.path === "" ? "" : `${this.path}.`}${name}[${i}]`)
    );
  }

  #array(name: string): unknown[] {
    const value = this.#object[name];
    if (!Array.isArray(value)) {
      throw new MalformedVectors(`${this.path || "the file"}: ${name} is not an array`);
    }
    return value;
  }
}

function hex(value: unknown, path: string): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string") throw new MalformedVectors(`${path} is not a hex string`);
  try {
    return fromHex(value);
  } catch {
    throw new MalformedVectors(`${path} is not hex`);
  }
}
