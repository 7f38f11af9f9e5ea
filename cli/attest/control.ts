/** What control would say to the evidence, as far as an operator's token lets one ask. */
import { ControlClient, type MachineAnswer, proxyChooser } from "../../agent/mod.ts";
import { type AgentConfig, readSecretFile } from "../../src/config/mod.ts";
import { readAuthorities, systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
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
  /** Code that evidence would be refused with; null when nothing is known to be in the way. */
  readonly refusal?: string | null;
  readonly text: string;
}

/** Never throws: a dry run is worth something without control, too. */
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
      return opinionOn(await client.machine(report.agent_id, AbortSignal.timeout(timeoutMs)), report);
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    if (error.code !== "machine_unknown") return notAsked(`${error.code}: ${error.message}`);
    return {
      asked: true,
      enrolled: false,
      refusal: "machine_unknown",
      text:
        "this machine is not enrolled: issue a token with `postern enroll-token`, then run `postern enroll` here",
    };
  }
}

function opinionOn({ state, labels, reason, ak_name }: MachineAnswer, report: AttestReport): ControlOpinion {
  const known = { asked: true, enrolled: true, state, labels };
  const named = labels.length === 0 ? "no labels" : labels.join(", ");
  if (state !== "active") {
    const why = reason === undefined ? "" : `: ${reason}`;
    return { ...known, refusal: "machine_revoked", text: `refuses it: the machine is ${state}${why}` };
  }
  if (ak_name !== report.ak.name) {
    return {
      ...known,
      refusal: "tpm_signature_invalid",
      text: "refuses it: the machine was enrolled with another attestation key",
    };
  }
  return {
    ...known,
    refusal: null,
    text: `knows this machine and its key (${named}); its policy is judged when a channel opens`,
  };
}

function notAsked(why: string): ControlOpinion {
  return { asked: false, text: `not asked: ${why}` };
}
