/** Programs of peers: where they are kept and how they are looked for. */
import { findBinary } from "../../../tools/test/packages.ts";
import { Process } from "../../../tests/support/process.ts";

/** Where `--install-peers` puts programs; ignored by git. */
export const PEER_DIRECTORY = new URL("../../../.state/peers", import.meta.url).pathname;

/** Longest time for one installation. */
const INSTALL_MS = 600_000;

/** Absolute path: installed by the bench first, then PATH. */
export function findPeer(name: string): string | undefined {
  const own = `${PEER_DIRECTORY}/${name}`;
  try {
    if (Deno.statSync(own).isFile) return own;
  } catch {
    // Not installed by the bench.
  }
  return findBinary(name);
}

/** Adds Debian packages, as root. @throws Error with what apt said */
export async function aptInstall(...packages: string[]): Promise<void> {
  if (Deno.uid() !== 0) throw new Error(`only root can install ${packages.join(", ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  // Lists of an earlier update may still do: the installation tells.
  await Process.run("/usr/bin/apt-get", { args: ["update", "-q"], env, timeoutMs: INSTALL_MS });
  await run("/usr/bin/apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env });
}

/**
 * Builds commands of a Go module at a fixed version, with the versions and checksums that the module itself pins
 * (its go.mod and go.sum) and the machine's own Go settings. @throws Error with what Go said
 */
export async function goInstall(
  directory: string,
  module: string,
  version: string,
  commands: readonly string[],
): Promise<void> {
  const go = tool("go");
  const { stdout } = await run(go, ["mod", "download", "-json", `${module}@${version}`]);
  const { Dir } = JSON.parse(stdout) as { Dir: string };
  await run(go, ["build", "-trimpath", "-o", `${directory}/`, ...commands], { cwd: Dir });
}

export interface CargoOptions {
  readonly features?: readonly string[];
  /** Dependencies whose locked version no longer compiles, with the one that does. */
  readonly updates?: Readonly<Record<string, string>>;
}

/** Builds a program from crates.io as its own lock file says, but for `updates`. @throws Error with what cargo said */
export async function cargoInstall(
  directory: string,
  crate: string,
  version: string,
  { features, updates = {} }: CargoOptions = {},
): Promise<void> {
  const cargo = tool("cargo");
  const folder = await Deno.makeTempDir({ prefix: "postern-peer-" });
  try {
    const chosen = features === undefined ? [] : ["--no-default-features", "--features", features.join(",")];
    const install = ["install", "--locked", "--root", folder, ...chosen];
    if (Object.keys(updates).length === 0) await run(cargo, [...install, "--version", version, crate]);
    else {
      const source = await crateSource(cargo, folder, crate, version);
      for (const [name, precise] of Object.entries(updates)) {
        await run(cargo, ["update", "-p", name, "--precise", precise], { cwd: source });
      }
      await run(cargo, [...install, "--path", source]);
    }
    for await (const { name } of Deno.readDir(`${folder}/bin`)) {
      await Deno.copyFile(`${folder}/bin/${name}`, `${directory}/${name}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A copy of a crate's sources that may be changed: cargo fetches them for a package that depends on it. */
async function crateSource(cargo: string, folder: string, crate: string, version: string): Promise<string> {
  const asking = `${folder}/asking`;
  await Deno.mkdir(`${asking}/src`, { recursive: true });
  await Deno.writeTextFile(`${asking}/src/lib.rs`, "");
  await Deno.writeTextFile(
    `${asking}/Cargo.toml`,
    `[package]\nname = "asking"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n${crate} = "=${version}"\n`,
  );
  const { stdout } = await run(cargo, ["metadata", "--format-version", "1"], { cwd: asking });
  const { packages } = JSON.parse(stdout) as { packages: { name: string; manifest_path: string }[] };
  const manifest = packages.find(({ name }) => name === crate)!.manifest_path;
  const copy = `${folder}/source`;
  await run("/bin/cp", ["-r", manifest.slice(0, manifest.lastIndexOf("/")), copy]);
  return copy;
}

function tool(name: string): string {
  const found = findBinary(name);
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ stdout: string }> {
  const command = new Deno.Command(program, {
    args: [...args],
    ...options,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(INSTALL_MS),
  });
  const { success, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return { stdout: text(stdout) };
  const said = text(stderr).trim().split("\n").filter((line) => /error|cannot|denied|unable|E:/i.test(line));
  throw new Error(
    `${program.slice(program.lastIndexOf("/") + 1)} ${args[0]}: ${said.slice(-3).join(" ") || "failed"}`,
  );
}
