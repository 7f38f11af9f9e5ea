/** What control does by itself: rotation of keys and authorities, warnings of their end, and freeing abandoned names. */
import { codeOf, PosternError } from "../errors/mod.ts";
import { defaultRotation, Keyset, type RotationPolicy } from "../identity/mod.ts";
import type { Clock, Random, Store } from "../ports/mod.ts";
import { EndingLog, endingsOf, endingWarnings } from "./authority_expiry.ts";
import { advanceRotation } from "./ca_rotation.ts";
import type { ControlDeps } from "./config.ts";
import { deleteAbandoned } from "./tunnel_deletion.ts";

/** Time between two passes: also how late another process's key rotation is noticed. */
export const upkeepIntervalMs = 60_000;
/** How long the record of a certificate that nobody can renew any more is kept. */
const keptCertificatesMs = 86_400_000;
/**
 * How long it is remembered that an agent's proof was put off. No channel stands as long without one: what it was granted
 * ends by its deadline, and a proof, or an authorizer that is well, gives the whole cap again.
 */
const keptDeferralsMs = 86_400_000;
/** Most tunnels that one pass frees. */
const maxSweep = 100;
/** Writers that may get in between before the store is called broken. */
const maxKeysetAttempts = 5;

interface KeyDeps {
  readonly store: Store;
  readonly clock: Pick<Clock, "wall">;
  readonly random: Random;
}

/** Loads the signing keys from the store, or makes the first ones. Throws `keyset_malformed`. */
export async function openKeyset(deps: KeyDeps, policy: RotationPolicy = defaultRotation): Promise<Keyset> {
  const { store, clock, random } = deps;
  const fresh = await Keyset.create(clock.wall(), random, policy);
  if (await store.saveKeyset(JSON.stringify(fresh.record()), 0)) return fresh;
  const stored = await store.loadKeyset();
  return await Keyset.load(parseRecord(stored?.value), policy);
}

/** Takes over what other processes stored, and does the rotation steps that are due. */
export async function keepKeyset(deps: KeyDeps, keyset: Keyset): Promise<void> {
  const { store, clock, random } = deps;
  for (let attempt = 0; attempt < maxKeysetAttempts; attempt++) {
    const stored = await store.loadKeyset();
    if (stored !== undefined) await keyset.reload(parseRecord(stored.value));
    if (!await keyset.rotate(clock.wall(), random)) return;
    // A key signs only a publish period after it was stored, so a lost race has signed nothing.
    if (await store.saveKeyset(JSON.stringify(keyset.record()), stored?.revision ?? 0)) return;
  }
  throw new PosternError("store_busy", "Cannot rotate keys: other processes keep writing them");
}

/** Deletes anonymous tunnels that nobody holds or serves; returns how many. */
export async function sweepAbandoned(deps: ControlDeps): Promise<number> {
  const heldBeforeMs = deps.clock.wall() - deps.config.tokens.clockSkewMs;
  let deleted = 0;
  for (const tunnel of await deps.store.abandonedTunnels(heldBeforeMs, maxSweep)) {
    if (await deleteAbandoned(deps, tunnel)) deleted++;
  }
  return deleted;
}

/** Does all of it every {@link upkeepIntervalMs} until the returned function is called. Failures are logged. */
export function startUpkeep(deps: ControlDeps & { readonly clock: Clock }): () => void {
  let cancel = () => {};
  let stopped = false;
  const said = new EndingLog(deps.log);
  const lookAtEndings = () => {
    const nowMs = deps.clock.wall();
    const { state } = deps.identities;
    said.say(endingWarnings(state, nowMs, deps.config.identity.expiryWarningMs), nowMs);
    deps.events.onAuthoritiesEnd?.(endingsOf(state, nowMs));
  };
  lookAtEndings();
  const pass = async () => {
    lookAtEndings();
    try {
      await keepKeyset(deps, deps.keyset);
      await sweepAbandoned(deps);
      await advanceRotation(deps);
      await deps.store.forgetDeferrals(deps.clock.wall() - keptDeferralsMs);
      await deps.store.forgetCertificates(
        deps.clock.wall() - deps.config.identity.graceMs - keptCertificatesMs,
      );
    } catch (error) {
      deps.log("error", "control upkeep failed", { code: codeOf(error) });
    }
    schedule();
  };
  const schedule = () => {
    if (!stopped) cancel = deps.clock.schedule(deps.clock.now() + upkeepIntervalMs, () => void pass());
  };
  schedule();
  return () => {
    stopped = true;
    cancel();
  };
}

function parseRecord(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    // Keyset.load() and reload() refuse undefined with the right code.
    return undefined;
  }
}
