import type { ApplyPolicyAnswer, LearnPolicyRequest, PoliciesAnswer } from "../../agent/mod.ts";
import { parseDuration } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";
import { formatPolicy, readPolicyFile } from "../policy_file.ts";

type Action = "learn" | "diff" | "apply" | "list" | "show";

/** What each action takes: its argument, if any, and its flags beside those of every operator's command. */
const ACTIONS: Readonly<Record<Action, { readonly argument?: string; readonly flags: readonly string[] }>> = {
  learn: { flags: ["agent", "label", "name", "pcrs", "bank", "firmware", "out", "force"] },
  diff: { argument: "FILE", flags: [] },
  apply: { argument: "FILE", flags: ["overlap"] },
  list: { flags: [] },
  show: { argument: "NAME", flags: ["version"] },
};

/** 30 days: control takes no more. */
const maxOverlapMs = 2_592_000_000;
/** Machines that are listed; the rest is counted. */
const maxListed = 20;

/**
 * `postern policy learn|diff|apply|list|show`. Throws `cli_flag_value_missing`, `cli_flag_unknown`, `cli_argument_missing`,
 * `cli_argument_unexpected`, `config_value_invalid`, what reading the file throws, and what control refuses with.
 */
export async function runPolicy(call: Call): Promise<number> {
  const [word, argument] = call.arguments;
  const action = word as Action;
  check(call, action, argument);
  switch (action) {
    case "learn":
      return await learn(call);
    case "diff":
      return await plan(call, argument, true);
    case "apply":
      return await plan(call, argument, false);
    case "list":
      return await list(call);
    case "show":
      return await show(call, argument);
    default:
      return action satisfies never;
  }
}

async function learn(call: Call): Promise<number> {
  const { out } = call.values;
  const request = learnRequestOf(call);
  const isForced = call.switches.has("force");
  if (out !== undefined && !isForced && await exists(out)) throw alreadyThere(out);
  const { policy, learnt_from, passed_over } = await withOperatorClient(
    call,
    (client) => client.learnPolicy(request, never),
  );
  const isJson = call.switches.has("json");
  const text = formatPolicy(policy, out === undefined ? isJson : out.endsWith(".json"));
  if (out === undefined) call.terminal.out(text);
  else await write(out, text, isForced);
  if (isJson) {
    if (out !== undefined) {
      call.terminal.out(`${JSON.stringify({ file: out, policy, learnt_from, passed_over })}\n`);
    }
    return 0;
  }
  const lines = [
    `learnt ${policy.name} version ${policy.version} from ${machineCount(learnt_from.length)}`,
    ...(passed_over.length === 0
      ? []
      : [`passed over, since they have not shown these PCRs: ${some(passed_over)}`]),
    ...(out === undefined
      ? []
      : [`wrote ${out}; review it, look at \`postern policy diff ${out}\`, and apply it`]),
  ];
  call.terminal.err(lines.map((line) => `${escapeControls(line)}\n`).join(""));
  return 0;
}

/** Applies the policy of a file, or tells what that would do. */
async function plan(call: Call, path: string, isDryRun: boolean): Promise<number> {
  const overlap = overlapOf(call);
  const policy = await readPolicyFile(path);
  const request = {
    policy,
    ...(overlap === undefined ? {} : { overlap_seconds: overlap }),
    ...(isDryRun ? { dry_run: true } : {}),
  };
  const answer = await withOperatorClient(call, (client) => client.applyPolicy(request, never));
  const lines = call.switches.has("json")
    ? [JSON.stringify(answer)]
    : planLines(answer).map((line) => escapeControls(line));
  call.terminal.out(`${lines.join("\n")}\n`);
  return 0;
}

function planLines({ policy_version, applied, changes, counts, machines }: ApplyPolicyAnswer): string[] {
  const told = machines.slice(0, maxListed);
  const total = counts.pass + counts.fail + counts.unknown;
  const words = { pass: "passes", fail: "FAILS", unknown: "unknown" } as const;
  return [
    ...(changes.length === 0 ? ["no change"] : []),
    ...changes.flatMap(({ what, removed, added }) => [
      what,
      ...removed.map((value) => `  - ${value}`),
      ...added.map((value) => `  + ${value}`),
    ]),
    "",
    ...told.map(({ agent_id, before, after, outcome, pcrs }) => {
      const why = outcome === "fail" ? pcrs.length === 0 ? "  firmware" : `  PCR ${pcrs.join(", ")}` : "";
      const policies = before === after ? after : `${before} -> ${after}`;
      return `${words[outcome].padEnd(8)}${agent_id}  ${policies}${why}`;
    }),
    ...(total > told.length ? [`and ${total - told.length} more`] : []),
    `machines by what they showed last: ${counts.pass} pass, ${counts.fail} fail, ${counts.unknown} unknown`,
    applied ? `applied ${policy_version}` : `${policy_version} is not applied`,
  ];
}

async function list(call: Call): Promise<number> {
  const answer = await withOperatorClient(call, (client) => client.policies(never));
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify(answer)}\n`);
    return 0;
  }
  if (answer.policies.length === 0) {
    call.terminal.err("no policy was applied; machines are held to the baseline\n");
  }
  for (const policy of answer.policies) call.terminal.out(`${escapeControls(listLine(policy))}\n`);
  return 0;
}

function machineCount(count: number): string {
  return count === 1 ? "1 machine" : `${count} machines`;
}

function listLine(policy: PoliciesAnswer["policies"][number]): string {
  const { name, version, bank, pcrs, labels, machines, overlap_until, retired } = policy;
  return [
    `${name}@${version}`,
    retired ? "retired" : machineCount(machines),
    `${bank}:${pcrs.join(",")}`,
    labels.length === 0 ? "every machine" : labels.join(","),
    ...(overlap_until === undefined ? [] : [`version ${version - 1} until ${overlap_until}`]),
  ].join("  ");
}

async function show(call: Call, name: string): Promise<number> {
  const wanted = versionOf(call);
  const { policy, versions } = await withOperatorClient(
    call,
    (client) => client.policy(name, wanted, never),
  );
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify({ policy, versions })}\n`);
    return 0;
  }
  call.terminal.out(formatPolicy(policy, false));
  for (const { version, applied_by, applied_at, overlap_until } of versions) {
    const overlap = overlap_until === undefined
      ? ""
      : `, version ${version - 1} accepted until ${overlap_until}`;
    call.terminal.err(
      `${escapeControls(`version ${version}: applied ${applied_at} by ${applied_by}${overlap}`)}\n`,
    );
  }
  return 0;
}

function learnRequestOf(call: Call): LearnPolicyRequest {
  const { agent, label, name, pcrs, bank } = call.values;
  if (name === undefined) throw refusal("cli_flag_value_missing", "learn needs --name");
  if ((agent === undefined) === (label === undefined)) {
    throw refusal("cli_flag_value_missing", "learn needs --agent or --label, and not both");
  }
  if (agent !== undefined && !/^agent-[a-z2-7]{26}$/.test(agent)) {
    throw invalid("--agent", "expected an agent id, as `postern machines` lists them");
  }
  return {
    name,
    ...(agent === undefined ? { label } : { agent_id: agent }),
    ...(bank === undefined ? {} : { bank }),
    ...(pcrs === undefined ? {} : { pcrs: pcrsOf(pcrs) }),
    ...(call.switches.has("firmware") ? { firmware: true } : {}),
  };
}

function pcrsOf(text: string): number[] {
  return text.split(",").map((part) => {
    const pcr = /^ *[0-9]{1,2} *$/.test(part) ? Number(part) : 24;
    if (pcr > 23) throw invalid("--pcrs", "expected numbers from 0 to 23 such as 0,1,2,7");
    return pcr;
  });
}

function overlapOf(call: Call): number | undefined {
  const { overlap } = call.values;
  if (overlap === undefined) return undefined;
  const ms = parseDuration(overlap);
  if (ms === undefined || ms < 1_000 || ms > maxOverlapMs) {
    throw invalid("--overlap", "expected a duration from 1s to 30d with its unit (24h, 7d)");
  }
  return Math.ceil(ms / 1_000);
}

function versionOf(call: Call): number | undefined {
  const { version } = call.values;
  if (version === undefined) return undefined;
  if (!/^[1-9][0-9]{0,6}$/.test(version)) throw invalid("--version", "expected the number of a version");
  return Number(version);
}

function check(call: Call, action: Action, argument: string | undefined): void {
  const { argument: wanted, flags } = ACTIONS[action];
  if (wanted !== undefined && argument === undefined) {
    throw refusal("cli_argument_missing", `${action} needs ${wanted}`);
  }
  if (wanted === undefined && argument !== undefined) {
    throw refusal("cli_argument_unexpected", `${action} takes nothing more`);
  }
  const own = Object.values(ACTIONS).flatMap((each) => each.flags);
  const values = Object.keys(call.values).filter((flag) => call.values[flag] !== undefined);
  const extra = [...call.switches, ...values].find((flag) => own.includes(flag) && !flags.includes(flag));
  if (extra !== undefined) throw refusal("cli_flag_unknown", `${action} takes no --${extra}`);
}

async function write(out: string, text: string, isForced: boolean): Promise<void> {
  try {
    await Deno.writeTextFile(out, text, { createNew: !isForced });
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) throw alreadyThere(out);
    throw invalid("--out", "the file cannot be written", cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false; // or out of reach: then writing it says so
  }
}

function some(names: readonly string[]): string {
  const told = names.slice(0, maxListed).join(", ");
  return names.length > maxListed ? `${told} and ${names.length - maxListed} more` : told;
}

function alreadyThere(path: string): PosternError {
  return invalid("--out", `there is a file ${path} already; --force overwrites it`);
}

function invalid(flag: string, state: string, cause?: unknown): PosternError {
  return new PosternError("config_value_invalid", `Cannot use ${flag}: ${state}`, { cause });
}

function refusal(
  code:
    | "cli_flag_value_missing"
    | "cli_flag_unknown"
    | "cli_argument_missing"
    | "cli_argument_unexpected",
  state: string,
): PosternError {
  return new PosternError(code, `Cannot run postern policy: ${state}`, { detail: { command: "policy" } });
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
