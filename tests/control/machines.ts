/** Machines that are enrolled without a TPM, and what they are remembered to have shown. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { agentIdOf } from "../../src/attestation/mod.ts";
import type { MachineRecord, Store } from "../../src/ports/mod.ts";
import { firmware } from "../policy/policies.ts";

/** The agent id of machine `n`. */
export const machineId = (n: number) => agentIdOf(new Uint8Array([n]));

export async function enrollMachine(
  store: Store,
  n: number,
  labels: readonly string[] = [],
  keys: Partial<Pick<MachineRecord, "agentId" | "akPublic" | "akName" | "enrolledAtMs">> = {},
): Promise<string> {
  const hash = createHash("sha256").update(new Uint8Array([n])).digest("hex");
  const endMs = Date.UTC(2100, 0, 1);
  const tokenId = `t${n}`;
  await store.putEnrollmentToken({
    tokenId,
    secretSha256: hash,
    labels,
    createdBy: "ops",
    createdAtMs: 0,
    expiresAtMs: endMs,
  });
  const { outcome } = await store.enrollMachine({
    agentId: machineId(n),
    ekSha256: hash,
    ekCertificate: new Uint8Array([0x30, n]),
    ekIntermediates: [],
    akPublic: new Uint8Array([0x23, n]),
    akName: new Uint8Array([0x0b, n]),
    enrolledAtMs: 0,
    tokenId,
    maxMachines: 1_000,
    ...keys,
  });
  assert.equal(outcome, "enrolled");
  return keys.agentId ?? machineId(n);
}

/** Writes what a machine showed last, as its verifier does. */
export async function rememberShown(
  store: Store,
  agentId: string,
  values: Readonly<Record<string, string>>,
  { at = 1_000, result = "ok", policy = "baseline@1" } = {},
): Promise<void> {
  const state = {
    clock: { resetCount: 1, restartCount: 0, clockMs: 1_000, firmware },
    shown: { bank: "sha256", values, firmware, at },
    verdict: { result, purpose: "channel-open", policy, at },
  };
  const revision = (await store.machine(agentId))?.continuity?.revision ?? 0;
  assert.ok(await store.advanceContinuity(agentId, JSON.stringify(state), revision));
}
