/** Compiles the build that this runtime takes, once, and makes instances with memory of their own. */
import { PosternError } from "../src/errors/mod.ts";
import { PLAIN_SIMD_BASE64, RELAXED_SIMD_BASE64 } from "./core_bytes.ts";

/** The exports: see the table in README.md. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  importKey(firstNonce: number): number;
  wipeKey(handle: number): number;
  rekey(handle: number): number;
  seal(handle: number, ad: number, adBytes: number, at: number, bytes: number): number;
  open(handle: number, ad: number, adBytes: number, at: number, bytes: number): number;
  sealMany(handle: number, table: number, count: number): number;
  openMany(handle: number, table: number, count: number): number;
  sealOnce(ad: number, adBytes: number, at: number, bytes: number): number;
  openOnce(ad: number, adBytes: number, at: number, bytes: number): number;
  blake3(mode: number, at: number, bytes: number): number;
  openHasher(mode: number): number;
  updateHasher(index: number, at: number, bytes: number): number;
  digestHasher(index: number): number;
  closeHasher(index: number): number;
  mask(at: number, bytes: number, mask: number): number;
}

/** What a call returns (assembly/index.ts). */
export const STATUS = Object.freeze({ done: 0, tagMismatch: 1, stale: 2, spent: 3, bounds: 4 });

/** `relaxed` needs relaxed SIMD, `plain` 128-bit SIMD only; both seal the same bytes. */
export type Build = "relaxed" | "plain";

type Bytes = Uint8Array<ArrayBuffer>;

const BUILDS: Readonly<Record<Build, string>> = { relaxed: RELAXED_SIMD_BASE64, plain: PLAIN_SIMD_BASE64 };
const modules = new Map<Build, WebAssembly.Module>();
let preferred: Build | undefined;

/** A new instance; of the fastest build that validates unless one is named. Throws `simd_missing`. */
export function instantiate(build?: Build): CoreExports {
  const chosen = build ?? (preferred ??= chooseBuild(WebAssembly.validate));
  let module = modules.get(chosen);
  if (module === undefined) {
    module = new WebAssembly.Module(bytesOf(chosen));
    modules.set(chosen, module);
  }
  return new WebAssembly.Instance(module).exports as unknown as CoreExports;
}

/** The fastest build that `validate` accepts. Throws `simd_missing` where it accepts none. */
export function chooseBuild(validate: (bytes: Bytes) => boolean): Build {
  for (const build of ["relaxed", "plain"] as const) {
    if (validate(bytesOf(build))) return build;
  }
  throw new PosternError("simd_missing");
}

function bytesOf(build: Build): Bytes {
  return Uint8Array.fromBase64(BUILDS[build]);
}
