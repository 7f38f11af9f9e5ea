/** Builds one executable file out of the running deno and a bundled program, without the base binary of `deno compile`. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

const stubUrl = new URL("stub.sh", import.meta.url);
/** ELF: the runtime to pack has to be the real one, not a script that starts it. */
const elfMagic = [0x7f, 0x45, 0x4c, 0x46];
/** Level 9 saves 0.2 % of the runtime for twice the time. */
const gzipLevel = 6;

/** Keeps the started program off the network, the project's files and the terminal, whatever lies around it. */
const isolation = ["--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-prompt", "--no-code-cache"];

/**
 * Goes in front of the program. CommonJS packages in a bundle ask for built-in modules by `require`, and for nothing else.
 *
 * A start without a usable home was unpacked to a directory of its own (stub.sh), which
 * nobody else would remove. It acts on its own directory only, and only if it bears the name that stub.sh gives.
 */
const prelude = `const require = (name) => {
  const builtin = globalThis.process.getBuiltinModule(name);
  if (builtin === undefined) throw new Error("Cannot load " + name + ": it is not in this program");
  return builtin;
};
{
const folder = decodeURIComponent(new URL(".", import.meta.url).pathname).replace(/\\/$/, "");
if (/\\/postern-once\\.[A-Za-z0-9]{8}$/.test(folder)) try { Deno.removeSync(folder, { recursive: true }); } catch { /* the next boot does */ }
}
`;

export interface LauncherOptions {
  /** Entry module, a path. */
  readonly entry: string;
  readonly output: string;
  /** Permission flags of the program. */
  readonly flags: readonly string[];
  readonly version: string;
  /** The deno executable to pack. */
  readonly runtime: string;
}

/** Writes the executable. Throws Error with what `deno bundle` said when the program cannot be bundled. */
export async function buildLauncher(options: LauncherOptions): Promise<void> {
  const runtime = await readRuntime(options.runtime);
  const program = await bundle(options.entry);
  const packedProgram = gzipSync(program, { level: 9 });
  const packedRuntime = gzipSync(runtime, { level: gzipLevel });
  const [programSha256, runtimeSha256] = [digest("sha256", program), digest("sha256", runtime)];
  const values: Record<string, string> = {
    VERSION: options.version,
    ID: createHash("sha256").update(`${programSha256} ${runtimeSha256}`).digest("hex"),
    PROGRAM_BYTES: `${packedProgram.length}`,
    PROGRAM_SHA256: programSha256,
    PROGRAM_BLAKE2: digest("blake2b512", program),
    RUNTIME_SHA256: runtimeSha256,
    RUNTIME_BLAKE2: digest("blake2b512", runtime),
    FLAGS: [...isolation, ...options.flags].join(" "),
  };
  const stub = fill(await Deno.readTextFile(stubUrl), values, packedProgram.length);
  const temporary = `${options.output}.${crypto.randomUUID()}.tmp`;
  try {
    using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o755 });
    for (const part of [stub, packedProgram, packedRuntime]) await writeAll(file, part);
    await Deno.chmod(temporary, 0o755);
    await Deno.rename(temporary, options.output);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Offsets depend on the length of the script that holds them: they get fixed-width places (leading blanks are fine). */
function fill(template: string, values: Readonly<Record<string, string>>, programBytes: number): Uint8Array {
  const render = (stubBytes: number) => {
    const offsets = { PROGRAM_AT: stubBytes + 1, RUNTIME_AT: stubBytes + programBytes + 1 };
    return new TextEncoder().encode(
      template.replace(/@([A-Z0-9_]+)@/g, (_, name: string) => {
        const value = name in offsets ? `${offsets[name as keyof typeof offsets]}` : values[name];
        if (value === undefined) throw new Error(`Cannot fill the start script: nothing known for ${name}`);
        if (!/^[\w.,=:/ -]+$/.test(value)) {
          throw new Error(`Cannot fill the start script: ${name} needs quoting`);
        }
        return value;
      }),
    );
  };
  // A longer offset makes the script longer: settles after two or three rounds.
  let bytes = render(0);
  for (let next = render(bytes.length); next.length !== bytes.length; next = render(bytes.length)) {
    bytes = next;
  }
  return render(bytes.length);
}

async function readRuntime(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Deno.readFile(path);
  if (!elfMagic.every((byte, index) => bytes[index] === byte)) {
    throw new Error(`Cannot pack the runtime: ${path} is no ELF executable`);
  }
  return bytes;
}

/** Not minified: a stack trace in a report stays readable, and packed it is small beside the runtime. */
async function bundle(entry: string): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir();
  try {
    const output = `${folder}/main.js`;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform=deno", "-o", output, entry],
      env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`Cannot bundle ${entry}: ${new TextDecoder().decode(stderr).trim()}`);
    return new TextEncoder().encode(prelude + await Deno.readTextFile(output));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function digest(algorithm: "sha256" | "blake2b512", bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
