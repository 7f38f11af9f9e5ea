/** Machines that are enrolled: what operators see of them, and what they do about them. */
import { agentIdOfDigest } from "../attestation/mod.ts";
import { fromHex } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { MachineKey, MachineRecord } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps } from "./config.ts";

/** Most machines in one answer, and how many unless said. */
export const maxMachinePage = 1_000;
const defaultMachinePage = 100;

export interface MachinePage {
  readonly machines: readonly MachineRecord[];
  /** Agent id to go on after; absent at the end. */
  readonly next?: string;
}

/** Machines in the order of their agent ids. */
export async function machinePage(
  { store }: Pick<ControlDeps, "store">,
  limit: number = defaultMachinePage,
  after?: string,
): Promise<MachinePage> {
  const found = await store.machines(Math.min(limit, maxMachinePage), after);
  const isFull = found.length === Math.min(limit, maxMachinePage);
  return { machines: found, ...(isFull ? { next: found[found.length - 1].agentId } : {}) };
}

/** Throws `machine_unknown`. */
export async function machineOf(
  { store }: Pick<ControlDeps, "store">,
  agentId: string,
): Promise<MachineRecord> {
  const machine = await store.machine(agentId);
  if (machine === undefined) throw unknown();
  return machine;
}

/**
 * Keeps a machine out until it is restored, and has its channels cut; one that is revoked already has them cut again.
 * @returns its agent id. Throws `machine_unknown`, `machine_limit_reached`.
 */
export async function revokeMachine(
  deps: Pick<ControlDeps, "store" | "clock" | "events" | "log">,
  operator: string,
  key: MachineKey,
  reason: string,
): Promise<{ readonly agentId: string; readonly already: boolean }> {
  const agentId = agentIdOfKey(key);
  const atMs = deps.clock.wall();
  const outcome = await deps.store.revokeMachine(key, { atMs, reason });
  if (outcome !== "unknown") deps.events.onMachineRevoked?.(agentId);
  await auditMachine(deps, operator, "machine.revoke", key, outcome, { reason });
  if (outcome === "unknown") throw unknown();
  deps.log("warn", "machine revoked", { agent_id: agentId, by: operator });
  return { agentId, already: outcome === "already" };
}

/** Lets a machine in again; its enrollment holds as before. Throws `machine_unknown`, `machine_not_revoked`. */
export async function restoreMachine(
  deps: Pick<ControlDeps, "store" | "clock" | "log">,
  operator: string,
  key: MachineKey,
): Promise<string> {
  const outcome = await deps.store.restoreMachine(key);
  await auditMachine(deps, operator, "machine.restore", key, outcome, {});
  if (outcome === "unknown") throw unknown();
  if (outcome === "active") {
    throw new PosternError("machine_not_revoked", "Cannot restore machine: it is not revoked");
  }
  const agentId = agentIdOfKey(key);
  deps.log("warn", "machine restored", { agent_id: agentId, by: operator });
  return agentId;
}

/** Forgets a revoked machine: it takes no place any more, and stays out. Throws `machine_unknown`, `machine_active`. */
export async function deleteMachine(
  deps: Pick<ControlDeps, "store" | "clock" | "log">,
  operator: string,
  agentId: string,
): Promise<void> {
  // Before its row is gone: the audit names its key.
  const ekSha256 = (await deps.store.machine(agentId))?.ekSha256;
  const outcome = await deps.store.deleteMachine(agentId);
  await audit(deps, {
    actor: operator,
    action: "machine.delete",
    subject: agentId,
    outcome: outcome === "deleted" ? "ok" : outcome === "active" ? "machine_active" : "machine_unknown",
    detail: ekSha256 === undefined ? {} : { ek_sha256: ekSha256 },
  });
  if (outcome === "unknown") throw unknown();
  if (outcome === "active") {
    throw new PosternError("machine_active", "Cannot delete machine: it is not revoked");
  }
  deps.log("warn", "machine deleted", { agent_id: agentId, by: operator });
}

/** An agent id is made from the hash of the EK: it is known also of a machine that never came. */
function agentIdOfKey(key: MachineKey): string {
  return "agentId" in key ? key.agentId : agentIdOfDigest(fromHex(key.ekSha256));
}

async function auditMachine(
  { store, clock }: Pick<ControlDeps, "store" | "clock">,
  actor: string,
  action: string,
  key: MachineKey,
  outcome: string,
  detail: Readonly<Record<string, string>>,
): Promise<void> {
  const agentId = agentIdOfKey(key);
  const ekSha256 = "ekSha256" in key ? key.ekSha256 : (await store.machine(agentId))?.ekSha256;
  const isDone = outcome === "revoked" || outcome === "restored" || outcome === "already";
  await audit({ store, clock }, {
    actor,
    action,
    subject: agentId,
    outcome: isDone ? "ok" : outcome === "unknown" ? "machine_unknown" : "machine_not_revoked",
    detail: { ...detail, ...(ekSha256 === undefined ? {} : { ek_sha256: ekSha256 }) },
  });
}

function unknown(): PosternError {
  return new PosternError("machine_unknown", "Cannot find machine: none of this name is enrolled");
}
