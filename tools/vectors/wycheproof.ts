/**
 * Wycheproof's JSON schemas, for what the product has: AEAD (ChaCha20-Poly1305), XDH (X25519, raw keys), HKDF (SHA-256)
 * and ML-KEM (768).
 *
 *     { "algorithm", "schema"?, "testGroups": [{ "type", ..., "tests": [{ "tcId", "comment"?, "result", ... }] }] }
 *
 * All bytes in hex. A `valid` test must give the bytes that it names, an `invalid` one must be refused, and an
 * `acceptable` one may be either, but must not give other bytes.
 */
import { toHex } from "../../src/bytes/mod.ts";
import { hkdfSha256, mlKem768, x25519 } from "../../src/crypto/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { open, seal } from "../../wasm/mod.ts";
import { Fields } from "./fields.ts";
import { MalformedVectors, type VectorFormat, type VectorResult } from "./result.ts";

/** What a test does with the product: pairs of a name with what came out and what should. Throws when it is refused. */
type Compute = (test: Fields) => [what: string, actual: Uint8Array, expected: Uint8Array][];

interface Runner {
  /** The `algorithm` of the file; undefined means that the group says enough. */
  readonly algorithm?: string;
  /** A field of the group and its value, without which its tests are not for us. */
  readonly group?: readonly [name: string, value: string];
  readonly compute: Compute;
}

/** By the group's `type`. */
const RUNNERS: Readonly<Record<string, Runner>> = {
  AeadTest: { algorithm: "CHACHA20-POLY1305", compute: aead },
  XdhComp: { group: ["curve", "curve25519"], compute: xdh },
  HkdfTest: { algorithm: "HKDF-SHA-256", compute: hkdf },
  MLKEMTest: { group: ["parameterSet", "ML-KEM-768"], compute: kemDecapsulation },
  MLKEMKeyGen: { group: ["parameterSet", "ML-KEM-768"], compute: kemKeyGeneration },
  MLKEMEncapsTest: { group: ["parameterSet", "ML-KEM-768"], compute: kemEncapsulation },
  MLKEMDecapsValidationTest: { group: ["parameterSet", "ML-KEM-768"], compute: kemExpandedDecapsulation },
};

export const wycheproofVectors: VectorFormat = {
  title: "Wycheproof",
  recognises: (file) => Array.isArray((file as { testGroups?: unknown }).testGroups),
  *run(file) {
    const root = new Fields(file, "");
    const algorithm = root.string("algorithm");
    let tests = 0;
    for (const group of root.objects("testGroups")) {
      const foreign = foreignGroup(algorithm, group);
      for (const test of group.objects("tests")) {
        tests++;
        const name = nameOf(algorithm, test);
        yield foreign !== null
          ? { name, outcome: "skipped", reason: foreign }
          : judge(name, test, RUNNERS[group.string("type")]);
      }
    }
    // A run over nothing must not look like success.
    if (tests === 0) throw new MalformedVectors("it has no tests");
  },
};

/** What the product has no implementation of, in words; null when it has all. */
function foreignGroup(algorithm: string, group: Fields): string | null {
  const type = group.string("type");
  if (!Object.hasOwn(RUNNERS, type)) return `no tests of type ${type}`;
  const { algorithm: wanted, group: field } = RUNNERS[type];
  if (wanted !== undefined && algorithm !== wanted) return `no ${algorithm}`;
  if (field !== undefined && group.string(field[0]) !== field[1]) return `no ${group.string(field[0])}`;
  return null;
}

function judge(name: string, test: Fields, { compute }: Runner): VectorResult {
  const failed = (reason: string): VectorResult => ({ name, outcome: "failed", reason });
  const result = test.string("result");
  if (result !== "valid" && result !== "invalid" && result !== "acceptable") {
    throw new MalformedVectors(`${test.path}.result is neither valid, invalid nor acceptable`);
  }
  let pairs: ReturnType<Compute>;
  try {
    pairs = compute(test);
  } catch (error) {
    if (error instanceof MalformedVectors) throw error;
    if (!isRefusal(error)) return failed(`broke: ${String(error)}`);
    return result === "valid" ? failed(`refused: ${error.message}`) : { name, outcome: "passed" };
  }
  if (result === "invalid") return failed("taken, but it is to be refused");
  for (const [what, actual, expected] of pairs) {
    if (toHex(actual) !== toHex(expected)) return failed(`${what} is ${toHex(actual).slice(0, 64)}`);
  }
  return { name, outcome: "passed" };
}

/** An answer, and not an accident such as a property of undefined. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof PosternError) return true;
  return error instanceof Error && !(error instanceof TypeError) && !(error instanceof ReferenceError);
}

function aead(test: Fields) {
  const [key, iv, aad, msg] = ["key", "iv", "aad", "msg"].map((field) => test.hex(field));
  const expected = new Uint8Array([...test.hex("ct"), ...test.hex("tag")]);
  // Opened first: an invalid one has the right text and a wrong tag.
  const opened = open(key, iv, aad, expected);
  return [["message", opened, msg], ["ciphertext", seal(key, iv, aad, msg), expected]] as ReturnType<Compute>;
}

function xdh(test: Fields): ReturnType<Compute> {
  return [["secret", x25519(test.hex("private"), test.hex("public")), test.hex("shared")]];
}

function hkdf(test: Fields): ReturnType<Compute> {
  const okm = hkdfSha256(test.hex("salt"), test.hex("ikm"), test.number("size"), test.hex("info"));
  return [["key", okm, test.hex("okm")]];
}

function kemDecapsulation(test: Fields): ReturnType<Compute> {
  const pair = mlKem768.generateKeyPair(() => test.hex("seed"));
  const secret = mlKem768.decapsulate(pair.privateKey, test.hex("c"));
  const publicKey = test.optionalHex("ek");
  return [
    ["secret", secret, test.optionalHex("K") ?? new Uint8Array(0)],
    ...(publicKey === undefined ? [] : [["public key", pair.publicKey, publicKey]] as ReturnType<Compute>),
  ];
}

function kemKeyGeneration(test: Fields): ReturnType<Compute> {
  const pair = mlKem768.generateKeyPair(() => test.hex("seed"));
  return [["public key", pair.publicKey, test.hex("ek")], ["private key", pair.privateKey, test.hex("dk")]];
}

function kemEncapsulation(test: Fields): ReturnType<Compute> {
  const { ciphertext, sharedSecret } = mlKem768.encapsulate(test.hex("ek"), () => test.hex("m"));
  return [["ciphertext", ciphertext, test.hex("c")], ["secret", sharedSecret, test.hex("K")]];
}

function kemExpandedDecapsulation(test: Fields): ReturnType<Compute> {
  return [["secret", mlKem768.decapsulate(test.hex("dk"), test.hex("c")), test.hex("K")]];
}

function nameOf(algorithm: string, test: Fields): string {
  const comment = test.has("comment") ? test.string("comment") : "";
  return `${algorithm} ${test.number("tcId")}${comment === "" ? "" : ` (${comment})`}`;
}
