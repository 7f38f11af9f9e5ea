/**
 * `deno task build:wasm` compiles the sealing core: `core.wasm` (relaxed SIMD), `core_v128.wasm` (plain SIMD),
 * their hashes, and `core_bytes.ts` which carries both into programs. `--check` compares instead of writing.
 */
import asc from "assemblyscript/asc";
import { createHash } from "node:crypto";
import { blake3Source } from "./blake3_generator.ts";
import { kernelSource } from "./generate.ts";

const HERE = new URL("./", import.meta.url);
const ENTRY = "assembly/index.ts";
const KERNEL = "assembly/kernel.ts";
const BLAKE3 = "assembly/blake3_kernel.ts";
const PAGES = "1024";

const FLAGS = [
  // Binaryen's optimiser gathers expressions and so undoes the weaving (a third of the speed); V8 optimises anyway.
  "-O0",
  "--noAssert",
  "--runtime=stub",
  "--use=abort=",
  "--initialMemory=" + PAGES,
  "--maximumMemory=" + PAGES,
  "--memoryBase=64",
  "--stackSize=0",
  "--enable=simd",
];

/** What to compile besides the sources on disk. */
export interface CompileOptions {
  readonly relaxedSimd: boolean;
  /** Instead of `assembly/index.ts`: tests export inner functions by it. */
  readonly entry?: string;
}

/** Compiles one build: a module without imports. */
export async function compileCore(options: CompileOptions): Promise<Uint8Array<ArrayBuffer>> {
  const given = new Map([[KERNEL, kernelSource()], [BLAKE3, blake3Source()]]);
  if (options.entry !== undefined) given.set(ENTRY, options.entry);
  const extraFlags = options.relaxedSimd ? ["--enable=relaxed-simd"] : [];
  let output: Uint8Array | undefined;
  const { error, stderr } = await asc.main([ENTRY, "--outFile=core.wasm", ...FLAGS, ...extraFlags], {
    readFile(name: string) {
      const source = given.get(name);
      if (source !== undefined) return source;
      try {
        return Deno.readTextFileSync(new URL(name, HERE));
      } catch {
        return null;
      }
    },
    writeFile(_name: string, contents: Uint8Array | string) {
      if (typeof contents !== "string") output = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || output === undefined) {
    throw new Error(`Cannot build the sealing core: ${error?.message}\n${stderr.toString()}`);
  }
  return new Uint8Array(output);
}

/** Everything that the build writes, by name relative to this directory. */
export async function buildOutputs(): Promise<Map<string, Uint8Array>> {
  const relaxed = await compileCore({ relaxedSimd: true });
  const plain = await compileCore({ relaxedSimd: false });
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const carrier = [
    "// Written by wasm/build.ts: core.wasm and core_v128.wasm as base64, so that programs need no file access.",
    `export const RELAXED_SIMD_BASE64 =\n  "${relaxed.toBase64()}";`,
    `export const PLAIN_SIMD_BASE64 =\n  "${plain.toBase64()}";`,
    "",
  ].join("\n");
  const text = new TextEncoder();
  return new Map<string, Uint8Array>([
    [KERNEL, text.encode(kernelSource())],
    [BLAKE3, text.encode(blake3Source())],
    ["core.wasm", relaxed],
    ["core_v128.wasm", plain],
    ["core.sha256", text.encode(`${sha256(relaxed)}  core.wasm\n${sha256(plain)}  core_v128.wasm\n`)],
    ["core_bytes.ts", text.encode(carrier)],
  ]);
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  let stale = 0;
  for (const [name, bytes] of await buildOutputs()) {
    const path = new URL(name, HERE);
    if (name === "core.sha256") Deno.stdout.writeSync(bytes);
    if (!check) {
      Deno.writeFileSync(path, bytes);
      continue;
    }
    const committed = Deno.readFileSync(path);
    if (committed.length === bytes.length && committed.every((byte, i) => byte === bytes[i])) continue;
    stale++;
    Deno.stderr.writeSync(new TextEncoder().encode(`wasm/${name} differs from a fresh build\n`));
  }
  if (stale > 0) Deno.exit(1);
}
