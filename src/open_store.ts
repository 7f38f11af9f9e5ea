/** The store that the configuration names. */
import { type EdgeConfig, readSecretFile } from "./config/mod.ts";
import type { Clock, Log, Store } from "./ports/mod.ts";
import type { StateDirectory } from "./state_directory.ts";
import { openPostgresStore, openSqliteStore } from "./store/mod.ts";
import type { Metrics } from "./telemetry/mod.ts";

/** Throws `secret_file_*`, and the codes of stores. */
export async function openStore(
  { databaseUrlFile, tokens }: EdgeConfig,
  state: StateDirectory,
  { clock, log, metrics }: { clock: Clock; log: Log; metrics?: Metrics },
): Promise<Store> {
  const options = {
    wall: () => clock.wall(),
    clockSkewMs: tokens.clockSkewMs,
    ...(metrics === undefined ? {} : {
      writes: {
        now: () => clock.now(),
        onWrite: (seconds: number) => metrics.storeWriteSeconds.observe(seconds),
      },
    }),
  };
  if (databaseUrlFile === null) return openSqliteStore(state.databasePath, options);
  const { secret: url, warning } = await readSecretFile(databaseUrlFile, Deno);
  if (warning !== undefined) log("warn", warning);
  return await openPostgresStore(url, options);
}
