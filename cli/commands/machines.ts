import type { ControlClient, MachineAnswer, MachineName } from "../../agent/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";

/** `postern machines`. Throws what control refuses with. */
export async function runMachines(call: Call): Promise<number> {
  const machines = await withOperatorClient(call, all);
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify({ machines })}\n`);
    return 0;
  }
  if (machines.length === 0) {
    call.terminal.err("no machine is enrolled\n");
    return 0;
  }
  const rows = machines.map(({ agent_id, state, labels, enrolled_at, reason, attestation }) => [
    agent_id,
    state,
    enrolled_at,
    attestation?.result ?? "-",
    labels.join(",") || "-",
    reason ?? "-",
  ]);
  for (
    const line of table([["AGENT", "STATE", "ENROLLED", "LAST QUOTE", "LABELS", "REVOKED FOR"], ...rows])
  ) {
    call.terminal.out(`${escapeControls(line)}\n`);
  }
  return 0;
}

/** A line for each row, its words below those of the row before. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) =>
    rows.reduce((most, row) => Math.max(most, row[column].length), 0)
  );
  return rows.map((row) => row.map((word, column) => word.padEnd(widths[column])).join("  ").trimEnd());
}

/**
 * `postern machine show|revoke|restore|delete MACHINE`. Throws `cli_flag_value_missing`, `cli_flag_unknown`, `config_value_invalid`, and
 * what control refuses with.
 */
export async function runMachine(call: Call): Promise<number> {
  const [action, text] = call.arguments;
  const which = nameOf(text);
  const { reason } = call.values;
  if (action === "revoke") {
    if (reason === undefined) throw refusal("cli_flag_value_missing", "revoke needs --reason");
    const { agent_id, already } = await ask(call, (client) => client.revokeMachine(which, reason, never));
    const state = already
      ? "was revoked already; its channels are cut again"
      : "is revoked; its channels are cut";
    return tell(call, { revoked: agent_id, already }, `${agent_id} ${state}`);
  }
  if (reason !== undefined) throw refusal("cli_flag_unknown", `${action} takes no --reason`);
  if (action === "restore") {
    const agentId = await ask(call, (client) => client.restoreMachine(which, never));
    return tell(call, { restored: agentId }, `${agentId} is admitted again`);
  }
  if (which.agent_id === undefined) throw refusal("cli_argument_unexpected", `${action} needs an agent id`);
  if (action === "delete") {
    await ask(call, (client) => client.deleteMachine(text, never));
    return tell(call, { deleted: text }, `${text} is forgotten; its endorsement key stays revoked`);
  }
  const machine = await ask(call, (client) => client.machine(text, never));
  return tell(call, machine, rowsOf(machine));
}

async function all(client: ControlClient): Promise<MachineAnswer[]> {
  const machines: MachineAnswer[] = [];
  let after: string | undefined;
  do {
    const page = await client.machines(after, never);
    machines.push(...page.machines);
    // Control's word: one that goes in circles would never end.
    after = page.next !== undefined && page.next > (after ?? "") ? page.next : undefined;
  } while (after !== undefined);
  return machines;
}

function ask<T>(call: Call, use: (client: ControlClient) => Promise<T>): Promise<T> {
  return withOperatorClient(call, use);
}

function tell(call: Call, facts: object, text: string): number {
  const lines = text.split("\n").map(escapeControls).join("\n");
  call.terminal.out(call.switches.has("json") ? `${JSON.stringify(facts)}\n` : `${lines}\n`);
  return 0;
}

function rowsOf(machine: MachineAnswer): string {
  const { agent_id, state, labels, ek_sha256, ak_name, enrolled_at, revoked_at, reason, attestation, tpm } =
    machine;
  const rows: [string, string | undefined][] = [
    ["agent", agent_id],
    ["state", state],
    ["labels", labels.join(", ") || "none"],
    ["enrolled", enrolled_at],
    ["EK sha256", ek_sha256],
    ["AK name", ak_name],
    ["TPM", tpm && `${tpm.vendor ?? tpm.manufacturer} ${tpm.model}, made with firmware ${tpm.version}`],
    ["certificate", tpm && `serial ${tpm.serial}, sha256 ${tpm.certificate_sha256}, until ${tpm.expires_at}`],
    [
      "last quote",
      attestation && `${attestation.result} under ${attestation.policy_version} at ${attestation.at}`,
    ],
    ["revoked", revoked_at],
    ["reason", reason],
  ];
  return rows.filter(([, value]) => value !== undefined).map(([name, value]) => `${name.padEnd(11)} ${value}`)
    .join("\n");
}

function nameOf(text: string): MachineName {
  if (/^agent-[a-z2-7]{26}$/.test(text)) return { agent_id: text };
  const hex = text.toLowerCase().replaceAll(":", "");
  if (/^[0-9a-f]{64}$/.test(hex)) return { ek_sha256: hex };
  throw new PosternError(
    "config_value_invalid",
    "Cannot find machine: expected an agent id, or the SHA-256 of an endorsement key",
  );
}

function refusal(
  code: "cli_flag_value_missing" | "cli_flag_unknown" | "cli_argument_unexpected",
  state: string,
): PosternError {
  return new PosternError(code, `Cannot run postern machine: ${state}`, { detail: { command: "machine" } });
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
