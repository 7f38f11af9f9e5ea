import type { AgentStatus } from "../../agent/mod.ts";
import { agentDefaults, edgeDefaults, formatAddress, parseAddress } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { httpGet } from "../http_get.ts";
import { renderStatus } from "../view/render.ts";
import { isEdgeStatus, renderEdgeStatus } from "../view/render_edge.ts";

const timeoutMs = 5000;
const maxStatusBytes = 4_194_304;

type Role = "edge" | "agent";

interface Found {
  readonly role: Role;
  readonly address: string;
  readonly status: Record<string, unknown>;
}

/** `postern status [ROLE] [--admin-listen HOST:PORT] [--json]`. Throws `status_unreachable`. */
export async function runStatus(call: Call): Promise<number> {
  const role = call.arguments[0] as Role | undefined;
  const addresses = addressesOf(role, call.values["admin-listen"]);
  const answers = await Promise.all(addresses.map((address) => ask(address)));
  const found = answers.filter((answer) => answer !== undefined)
    .filter((answer) => role === undefined || answer.role === role);
  if (found.length === 0) {
    throw new PosternError(
      "status_unreachable",
      `Cannot read status: no ${role ?? "edge or agent"} answers at ${addresses.join(" or ")}`,
    );
  }
  if (call.switches.has("json")) {
    call.terminal.out(
      `${JSON.stringify(Object.fromEntries(found.map(({ role, status }) => [role, status])))}\n`,
    );
    return 0;
  }
  for (const { role, address, status } of found) {
    call.terminal.out(`${role} at ${address}\n`);
    for (const line of linesOf(role, status, call)) call.terminal.out(line === "" ? "\n" : `  ${line}\n`);
  }
  return 0;
}

function addressesOf(role: Role | undefined, given: string | undefined): string[] {
  if (given !== undefined) {
    const address = parseAddress(given);
    if (address === undefined) {
      throw new PosternError("config_value_invalid", "Cannot use --admin-listen: expected HOST:PORT");
    }
    return [formatAddress(address)];
  }
  const defaults = { edge: edgeDefaults().adminListen, agent: agentDefaults().adminListen };
  const roles: Role[] = role === undefined ? ["edge", "agent"] : [role];
  return roles.flatMap((name) => defaults[name] === null ? [] : [formatAddress(defaults[name])]);
}

/** Undefined when nothing answers, or something that is not Postern. */
async function ask(address: string): Promise<Found | undefined> {
  try {
    const answer = await httpGet(`http://${address}/status`, { timeoutMs, maxBytes: maxStatusBytes });
    const status: unknown = answer.status === 200 ? JSON.parse(answer.body) : null;
    if (typeof status !== "object" || status === null || Array.isArray(status)) return undefined;
    const role: Role = isAgentStatus(status) ? "agent" : "edge";
    return { role, address, status: status as Record<string, unknown> };
  } catch {
    return undefined;
  }
}

/** An agent tells a state and round trip; an edge does not. */
function isAgentStatus(status: object): status is AgentStatus {
  const facts = status as Partial<AgentStatus>;
  return typeof facts.state === "string" && Array.isArray(facts.services) && "rtt_ms" in facts &&
    facts.role === "agent" && Array.isArray(facts.recent) &&
    typeof facts.since === "number";
}

function linesOf(role: Role, status: Record<string, unknown>, call: Call): string[] {
  if (role === "agent" && isAgentStatus(status)) {
    return renderStatus(status, { columns: call.terminal.columns() - 2, color: false, now: Date.now() });
  }
  const columns = Math.max(20, call.terminal.columns() - 2);
  if (isEdgeStatus(status)) return renderEdgeStatus(status, columns);
  return Object.entries(status).flatMap(([name, value]) => {
    const text = Array.isArray(value)
      ? `${value.length}`
      : typeof value === "object"
      ? JSON.stringify(value)
      : `${value}`;
    return [escapeControls(`${name.padEnd(24)} ${text}`).slice(0, columns)];
  });
}
