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

/** Builds a Go program at a fixed version with the machine's own Go settings. @throws Error with what Go said */
export async function goInstall(directory: string, path: string, version: string): Promise<void> {
  const go = findBinary("go");
  if (go === undefined) throw new Error("go is not installed");
  const folder = await Deno.makeTempDir({ prefix: "postern-peer-" });
  try {
    // A module that asks for the exact version needs no list of versions from the module proxy.
    await Deno.writeTextFile(
      `${folder}/go.mod`,
      `module peers\n\ngo 1.24\n\ntool ${path}\n\nrequire ${path} ${version}\n`,
    );
    const { code, stderr } = await Process.run(go, {
      args: ["install", "-mod=mod", path],
      cwd: folder,
      env: { GOBIN: directory },
      timeoutMs: INSTALL_MS,
    });
    if (code !== 0) throw new Error(`go install ${path}@${version}: ${stderr.trim()}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
