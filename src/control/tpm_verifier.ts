/**
 * The judge of TPM evidence. A machine passes when all of this holds, in this order:
 *
 * 1. it is enrolled and not revoked, and the policy of the challenge is still accepted for it;
 * 2. its own attestation key, as it was enrolled, signed a quote of exactly what was asked, bound to this challenge;
 * 3. the manufacturer's word for its TPM is still taken: nothing of its chain was revoked or has lost the operator's trust;
 * 4. nothing before has failed since it last opened a channel;
 * 5. the TPM's counters continue what it told before, and the quoted values satisfy a policy that is in force;
 * 6. nobody else's judgement of the same machine came in between: what was judged is what is remembered.
 *
 * What 2 has proved authentic but 5 refuses is remembered too: from then on the machine has to open a channel anew. What is
 * not authentic changes nothing, since anybody can send it.
 */
import {
  type Evidence,
  type EvidenceContext,
  type EvidenceVerdict,
  type EvidenceVerifier,
  qualifyingData,
} from "../attestation/mod.ts";
import { readTpmEvidence, type TpmEvidence, type TpmFacts, verifyQuote } from "../attestation/tpm/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import {
  type Continuity,
  judgeContinuity,
  judgePcrs,
  type PcrPolicy,
  tellsOfMachine,
  type TpmClock,
  versionOf,
} from "../policy/mod.ts";
import type { Log, MachineRecord } from "../ports/mod.ts";
import { type MachineState, stateOf } from "./machine_state.ts";
import { inForceOf, type PolicyChoice } from "./policy_book.ts";

/** Judgements of one machine that may come in between before this one gives up. */
const maxAttempts = 4;

export interface TpmVerifierOptions extends PolicyChoice {
  readonly log: Log;
  /** Whether the EK that a machine was enrolled with is still believed: throws when it is not. */
  readonly checkTrust: (machine: MachineRecord) => void;
}

/**
 * `verify` throws `evidence_malformed` and the like, `machine_not_enrolled`, `machine_revoked`, `policy_missing`,
 * `policy_changed`, what `verifyQuote` and `checkTrust` throw, `attestation_failed_before`, `attestation_reset`, `attestation_rollback`,
 * `firmware_changed`, `firmware_refused`, `pcr_not_covered`, `pcr_value_refused`, `attestation_raced`.
 */
export function tpmVerifier(options: TpmVerifierOptions): EvidenceVerifier {
  return {
    kind: "tpm",
    verify: async (evidence: Evidence, context: EvidenceContext): Promise<EvidenceVerdict> => {
      const shown = readTpmEvidence(evidence);
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const verdict = await new Judgement(options, shown, context).run();
        if (verdict !== undefined) return verdict;
      }
      throw new PosternError("attestation_raced", "Cannot judge machine: others judge it at the same time");
    },
  };
}

/** One attempt on one state of the machine. */
class Judgement {
  readonly #options: TpmVerifierOptions;
  readonly #shown: TpmEvidence;
  readonly #context: EvidenceContext;

  constructor(options: TpmVerifierOptions, shown: TpmEvidence, context: EvidenceContext) {
    this.#options = options;
    this.#shown = shown;
    this.#context = context;
  }

  /** Undefined: the state changed meanwhile, and nothing was remembered. */
  async run(): Promise<EvidenceVerdict | undefined> {
    const machine = await this.#machine();
    const policies = await this.#policies(machine);
    const facts = this.#verify(machine);
    this.#options.checkTrust(machine);
    const { purpose, clockBefore, policyVersion } = this.#context;
    const state = stateOf(machine);
    if (purpose === "channel-reauth" && state?.failed !== undefined) {
      throw new PosternError(
        "attestation_failed_before",
        "Cannot accept quote: the machine failed before, and has to open a new channel",
        { detail: { failure: state.failed } },
      );
    }
    const { resetCount, restartCount, clockMs, firmwareVersion: firmware } = facts;
    const now: TpmClock = { resetCount, restartCount, clockMs, firmware };
    let policy: PcrPolicy;
    let continuity: Continuity;
    try {
      continuity = judgeContinuity({ before: state?.clock, asked: clockBefore, now, purpose });
      policy = judgePcrs(policies, this.#shown.pcrs, firmware);
    } catch (error) {
      if (!(error instanceof PosternError) || !tellsOfMachine(error.code)) throw error;
      if (!await this.#remember(machine, this.#failed(state, policies[0], now, error.code))) return undefined;
      this.#tell("warn", "machine refused", { code: error.code, ...error.detail });
      throw error;
    }
    if (!await this.#remember(machine, this.#passed(continuity, policy, firmware))) return undefined;
    if (continuity.isNewChain && state !== undefined) {
      this.#tell("info", "machine attested after a reset", {
        resets: resetCount - (state.clock?.resetCount ?? resetCount),
        new_firmware: continuity.hasNewFirmware ? firmware : undefined,
      });
    }
    const satisfied = versionOf(policy);
    return {
      tier: "tpm",
      agentId: machine.agentId,
      resetCount,
      ...(satisfied === policyVersion ? {} : { policyVersion: satisfied }),
    };
  }

  async #machine(): Promise<MachineRecord> {
    const machine = await this.#options.store.machine(this.#shown.agentId);
    if (machine === undefined) {
      throw new PosternError("machine_not_enrolled", "Cannot judge machine: it is not enrolled");
    }
    if (machine.state === "revoked") {
      throw new PosternError("machine_revoked", "Cannot accept quote: its machine is revoked");
    }
    return machine;
  }

  async #policies(machine: MachineRecord): Promise<readonly PcrPolicy[]> {
    const { policies } = await inForceOf(this.#options, machine);
    const isAccepted = policies.some((policy) => versionOf(policy) === this.#context.policyVersion);
    if (isAccepted && this.#context.pcrs !== undefined) return policies;
    throw new PosternError(
      "policy_changed",
      "Cannot accept quote: another policy counts for its machine now",
    );
  }

  #verify(machine: MachineRecord): TpmFacts {
    const { quote, signature, pcrs } = this.#shown;
    return verifyQuote({
      quote,
      signature,
      pcrs,
      akPublic: machine.akPublic,
      selection: this.#context.pcrs!,
      qualifyingData: qualifyingData({ ...this.#context, agentId: machine.agentId }),
    });
  }

  #passed({ next }: Continuity, policy: PcrPolicy, firmware: string): MachineState {
    return { clock: next, shown: this.#quoted(firmware), verdict: this.#verdict("ok", policy) };
  }

  #failed(
    state: MachineState | undefined,
    policy: PcrPolicy,
    { firmware }: TpmClock,
    code: ErrorCode,
  ): MachineState {
    return {
      ...(state?.clock === undefined ? {} : { clock: state.clock }),
      // What a rolled back TPM shows is of another time.
      shown: state !== undefined && code === "attestation_rollback" ? state.shown : this.#quoted(firmware),
      verdict: this.#verdict(code, policy),
      failed: code,
    };
  }

  #quoted(firmware: string): MachineState["shown"] {
    const { bank, values } = this.#shown.pcrs;
    return { bank, values, firmware, at: this.#options.clock.wall() };
  }

  #verdict(result: string, policy: PcrPolicy): MachineState["verdict"] {
    const { purpose } = this.#context;
    return { result, purpose, policy: versionOf(policy), at: this.#options.clock.wall() };
  }

  #remember({ agentId, continuity }: MachineRecord, state: MachineState): Promise<boolean> {
    return this.#options.store.advanceContinuity(agentId, JSON.stringify(state), continuity?.revision ?? 0);
  }

  #tell(
    level: "info" | "warn",
    event: string,
    fields: Readonly<Record<string, string | number | boolean | undefined>>,
  ): void {
    const { purpose } = this.#context;
    this.#options.log(level, event, { agent_id: this.#shown.agentId, purpose, ...fields });
  }
}
