/** How the first administrator gets in: by a link that only whoever runs the edge can see. */
import { controlUrlOf, type EdgeConfig } from "./config/mod.ts";
import { type ControlDeps, firstInvite, inviteAdmin, setupPath } from "./control/mod.ts";
import { systemClock, systemRandom } from "./driver/mod.ts";
import { codeOf, PosternError } from "./errors/mod.ts";
import type { Log } from "./ports/mod.ts";
import { openStore } from "./open_store.ts";
import { StateDirectory } from "./state_directory.ts";

/** Who makes the link, in the audit log. */
const LOCAL = "local";

export interface FirstAdministratorOptions {
  readonly deps: Pick<ControlDeps, "store" | "clock" | "random" | "publicUrl">;
  readonly state: Pick<StateDirectory, "bootstrapPath" | "writeBootstrap">;
  readonly log: Log;
  /** Shows a line to whoever sits there; absent: nobody does, and logs are read by others. */
  readonly show?: (line: string) => void;
}

/** Writes the link into the state directory while nobody administers, and takes it away once somebody does. */
export async function offerFirstAdministrator(options: FirstAdministratorOptions): Promise<void> {
  const { deps, state, log, show } = options;
  try {
    const invite = await firstInvite(deps);
    const url = invite && setupUrl(deps.publicUrl(), invite.secret);
    await state.writeBootstrap(url);
    if (url === undefined) return;
    log("info", "nobody administers yet: a link in this file makes the first account, within an hour", {
      file: state.bootstrapPath,
    });
    show?.(`Make the first account, within an hour: ${url}\n`);
  } catch (error) {
    // Services are published without administrators, too.
    log("error", "no link for the first administrator", { code: codeOf(error) });
  }
}

/** A link for one more owner, made on the machine itself: for those who have lost theirs. */
export interface OwnerLink {
  readonly url: string;
  /** Wall clock, Unix milliseconds. */
  readonly expiresAtMs: number;
}

/** Throws `state_directory_unusable`, `admin_invites_full`, and the codes of stores. */
export async function makeOwnerLink(config: EdgeConfig, log: Log): Promise<OwnerLink> {
  if (config.databaseUrlFile === null && !await exists(`${config.stateDirectory}/postern.db`)) {
    throw new PosternError(
      "state_directory_unusable",
      `Cannot use ${config.stateDirectory}: no edge has run with it`,
    );
  }
  const state = await StateDirectory.open(config.stateDirectory);
  const store = await openStore(config, state, { clock: systemClock, log });
  try {
    const deps = { store, clock: systemClock, random: systemRandom };
    const { secret, expiresAtMs } = await inviteAdmin(deps, LOCAL, { role: "owner" });
    return { url: setupUrl(controlUrlOf(config, config.listen.port), secret), expiresAtMs };
  } finally {
    await store.close();
  }
}

/** Behind the #, where no server and no log sees it. */
function setupUrl(base: string, secret: string): string {
  return `${base}${setupPath}#${secret}`;
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false; // or out of reach, which is the same to us
  }
}
