/** Upgrades in a process that kills itself at a step: `upgrade_killed.ts JSON`. */
import { applyUpgrade } from "../../cli/upgrade/apply.ts";
import { ProgramFiles } from "../../cli/upgrade/program_files.ts";
import { openSource, sourceOf } from "../../cli/upgrade/source.ts";
import type { ReleaseManifest } from "../../src/release/mod.ts";

interface Facts {
  readonly program: string;
  readonly manifest: ReleaseManifest;
  readonly file: string;
  readonly restart: string;
  readonly admin: string;
  readonly step: string;
}

const { program, manifest, file, restart, admin, step } = JSON.parse(Deno.args[0]) as Facts;
const reached = (name: string) => {
  if (name === step) Deno.kill(Deno.pid, "SIGKILL");
};
using files = await ProgramFiles.lock(program);
await applyUpgrade(
  files,
  {
    manifest,
    artifact: manifest.platforms[Deno.build.target],
    from: "1.0.0",
    parts: openSource(sourceOf(file)),
    learned: { newest_created_ms: Date.parse(manifest.created) },
  },
  { restart, admin, readyTimeoutMs: 10_000 },
  { step: reached, progress: () => reached("fetching") },
);
