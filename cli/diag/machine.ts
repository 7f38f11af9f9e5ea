/** Checks that look at this machine only. */
import { type FileAccess, readSecretFile } from "../../src/config/mod.ts";
import { type Check, fail, pass, skip } from "./check.ts";

/** Oldest runtime that Postern is tested with. */
const minimumDeno = [2, 9] as const;

/** A module of one function that uses a v128 constant. */
const simdModule = Uint8Array.from(
  // deno-fmt-ignore
  [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

export function runtimeCheck(denoVersion: string): Check {
  return {
    name: "runtime",
    run() {
      const [major = 0, minor = 0] = denoVersion.split(".").map(Number);
      const recent = major > minimumDeno[0] || (major === minimumDeno[0] && minor >= minimumDeno[1]);
      return recent
        ? pass(`deno ${denoVersion}`)
        : fail(`deno ${denoVersion}`, `Install deno ${minimumDeno.join(".")} or later.`);
    },
  };
}

export const simdCheck: Check = {
  name: "wasm_simd",
  run: () =>
    WebAssembly.validate(simdModule)
      ? pass("128-bit SIMD")
      : fail("no 128-bit SIMD in WebAssembly", "Use a processor with SSE4.1 or NEON."),
};

/** The directory exists or can be made, can be written, and is closed to others. */
export function stateDirectoryCheck(path: string): Check {
  return {
    name: "state_directory",
    async run() {
      const facts = await Deno.stat(path).catch(() => null);
      if (facts === null) {
        const parent = await nearestExisting(path);
        return await isWritable(parent) ? pass(`${path} will be made`) : fail(
          `${path} cannot be made`,
          `Give this user write access to ${parent}, or use --state-directory.`,
        );
      }
      if (!facts.isDirectory) return fail(`${path} is not a directory`, "Use --state-directory.");
      if (facts.mode !== null && (facts.mode & 0o077) !== 0) {
        return fail(`${path} is open to other users`, `Run chmod 700 ${path}`);
      }
      return await isWritable(path)
        ? pass(path)
        : fail(`${path} cannot be written`, "Run as its owner, or use --state-directory.");
    },
  };
}

async function nearestExisting(path: string): Promise<string> {
  let at = path;
  while (at.includes("/", 1)) {
    at = at.slice(0, at.lastIndexOf("/"));
    if (await Deno.stat(at).then((facts) => facts.isDirectory, () => false)) return at;
  }
  return path.startsWith("/") ? "/" : ".";
}

async function isWritable(directory: string): Promise<boolean> {
  try {
    await Deno.remove(await Deno.makeTempFile({ dir: directory, prefix: ".postern-diag-" }));
    return true;
  } catch {
    return false;
  }
}

/** The management token's file, when one is configured. */
export function tokenFileCheck(path: string | null, files: FileAccess): Check {
  return {
    name: "token_file",
    async run() {
      if (path === null) return skip("no --token-file: anonymous");
      const { warning } = await readSecretFile(path, files);
      return pass(warning === undefined ? path : `${path} (${warning})`);
    },
  };
}
