/** What control would say to the evidence, as far as an operator's token lets one ask. */
import { ControlClient, type MachineAnswer, proxyChooser } from "../../agent/mod.ts";
import { pcrBankSchema } from "../../src/attestation/mod.ts";
import { type AgentConfig, readSecretFile } from "../../src/config/mod.ts";
import { readAuthorities, systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { choosePolicy, judgePcrs, type PcrPolicy, versionOf } from "../../src/policy/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import type { AttestReport } from "./report.ts";

const timeoutMs = 5_000;

/** `text` is for people. Texts of control are in it as they are. */
export interface ControlOpinion {
  readonly asked: boolean;
  /** Absent when control was not asked. */
  readonly enrolled?: boolean;
  readonly state?: string;
  readonly labels?: readonly string[];
  /** `name@version`, or null: none is assigned to the machine. */
  readonly policy?: string | null;
  /** Code that evidence would be refused with; null when nothing is known to be in the way. */
  readonly refusal?: string | null;
  /** What became of the last quote that control has judged: `ok` or a code. */
  readonly last_result?: string;
  readonly text: string;
}

type Asked = Pick<ControlClient, "machine" | "policies" | "policy">;

/** Throws only what is no {@link PosternError}: a dry run is worth something without control, too. */
export async function controlOpinion(config: AgentConfig, report: AttestReport): Promise<ControlOpinion> {
  const { tokenFile } = config;
  if (tokenFile === null) return notAsked("an operator's token is needed (--token-file)");
  try {
    const client = new ControlClient({
      url: config.control,
      clock: systemClock,
      caCerts: config.caFile === null ? undefined : [await readAuthorities(config.caFile)],
      proxyFor: await proxyChooser(config, noLog),
      token: async () => (await readSecretFile(tokenFile, Deno)).secret,
    });
    try {
      return await ask(client, report, AbortSignal.timeout(timeoutMs));
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return notAsked(`${error.code}: ${error.message}`);
  }
}

async function ask(client: Asked, report: AttestReport, signal: AbortSignal): Promise<ControlOpinion> {
  let machine: MachineAnswer;
  try {
    machine = await client.machine(report.agent_id, signal);
  } catch (error) {
    if (!(error instanceof PosternError && error.code === "machine_unknown")) throw error;
    return {
      asked: true,
      enrolled: false,
      refusal: error.code,
      text:
        "this machine is not enrolled: issue a token with `postern enroll-token`, then run `postern enroll` here",
    };
  }
  const { state, labels, reason, attestation } = machine;
  const known = { asked: true, enrolled: true, state, labels, last_result: attestation?.result };
  if (state !== "active") {
    return {
      ...known,
      refusal: "machine_revoked",
      text: `refuses it: the machine is ${state}${reason === undefined ? "" : ` (${reason})`}`,
    };
  }
  if (machine.ak_name !== report.ak.name) {
    const text = "refuses it: the machine was enrolled with another attestation key";
    return { ...known, refusal: "machine_key_changed", text };
  }
  const policy = await policyFor(client, machine, signal);
  const last = attestation === undefined
    ? ""
    : `; its last quote, ${attestation.at} under ${attestation.policy_version}: ${attestation.result}`;
  return { ...known, ...judged(policy, report, `${labels.join(", ") || "no labels"}${last}`) };
}

/** The newest version of the one that counts for the machine; undefined: none is assigned. */
async function policyFor(
  client: Asked,
  machine: MachineAnswer,
  signal: AbortSignal,
): Promise<PcrPolicy | undefined> {
  const { policies } = await client.policies(signal);
  const labelled = { agentId: machine.agent_id, labels: machine.labels };
  const chosen = choosePolicy(
    labelled,
    policies.map(({ name, labels, retired }) => ({
      name,
      labels,
      retired: retired ? true as const : undefined,
    })),
  );
  return chosen === undefined ? undefined : (await client.policy(chosen.name, undefined, signal)).policy;
}

function judged(
  policy: PcrPolicy | undefined,
  { pcrs, firmware_version }: AttestReport,
  about: string,
): Pick<ControlOpinion, "policy" | "refusal" | "text"> {
  if (policy === undefined) {
    return {
      policy: null,
      refusal: null,
      text: `takes it under no policy of yours: any PCRs will do (${about})`,
    };
  }
  const version = versionOf(policy);
  const bank = pcrBankSchema.parse(pcrs.bank);
  try {
    judgePcrs([policy], { bank, values: pcrs.values }, firmware_version);
    return { policy: version, refusal: null, text: `takes it under ${version} (${about})` };
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    return { policy: version, refusal: error.code, text: `refuses it: ${error.message} (${about})` };
  }
}

function notAsked(why: string): ControlOpinion {
  return { asked: false, text: `not asked: ${why}` };
}
