/** A policy that allows exactly what machines showed: for an operator to review and apply. */
import type { PcrSelection } from "../attestation/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { maxAllowedValues, type PcrPolicy, type PcrValues } from "./pcr_policy.ts";

/** What one machine showed in its last accepted quote. */
export interface Observation {
  readonly agentId: string;
  readonly pcrs: PcrValues;
  readonly firmware: string;
}

export interface LearnRequest {
  readonly name: string;
  /** One higher than that of the policy in force. */
  readonly version: number;
  readonly selection: PcrSelection;
  readonly labels: readonly string[];
  /** Whether the firmware versions that were seen become the only ones. */
  readonly withFirmware: boolean;
}

export interface Learnt {
  readonly policy: PcrPolicy;
  /** Machines that it was learnt from. */
  readonly learntFrom: readonly string[];
  /** Machines that did not show what was asked for. */
  readonly passedOver: readonly string[];
}

/** Throws `policy_values_missing`, `policy_values_too_many`. */
export function learnPolicy(request: LearnRequest, observations: readonly Observation[]): Learnt {
  const { bank, pcrs } = request.selection;
  const covers = ({ pcrs: shown }: Observation) =>
    shown.bank === bank && pcrs.every((pcr) => Object.hasOwn(shown.values, pcr));
  const used = observations.filter(covers);
  const passedOver = observations.filter((one) => !covers(one)).map(({ agentId }) => agentId);
  if (used.length === 0) {
    throw new PosternError(
      "policy_values_missing",
      `Cannot learn policy: no machine has shown all of these PCRs of ${bank}`,
    );
  }
  const allowed = pcrs.map((pcr): [string, string[]] => [
    String(pcr),
    distinct(used.map((one) => one.pcrs.values[pcr])),
  ]);
  const firmware = distinct(used.map((one) => one.firmware));
  const crowded = allowed.find(([, digests]) => digests.length > maxAllowedValues);
  if (crowded !== undefined || firmware.length > maxAllowedValues) {
    throw new PosternError(
      "policy_values_too_many",
      `Cannot learn policy: ${
        crowded === undefined ? "firmware" : `PCR ${crowded[0]}`
      } has more than ${maxAllowedValues} different values`,
    );
  }
  return {
    policy: {
      name: request.name,
      version: request.version,
      bank,
      pcrs: Object.fromEntries(allowed),
      ...(request.withFirmware ? { firmware } : {}),
      labels: [...request.labels],
    },
    learntFrom: used.map(({ agentId }) => agentId),
    passedOver,
  };
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
