import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";

/**
 * `postern nodes rules`, `postern nodes allow|disallow --connector SELECTOR --tunneler SELECTOR`. Throws
 * `cli_flag_value_missing`, `cli_flag_unknown`, and what control refuses with.
 */
export async function runNodes(call: Call): Promise<number> {
  const [action] = call.arguments;
  const { connector, tunneler } = call.values;
  if (action === "rules") {
    if ((connector ?? tunneler) !== undefined) {
      throw new PosternError(
        "cli_flag_unknown",
        "Cannot run postern nodes rules: it takes no --connector and no --tunneler",
        { detail: { command: "nodes" } },
      );
    }
    return await rules(call);
  }
  if (connector === undefined || tunneler === undefined) {
    throw new PosternError(
      "cli_flag_value_missing",
      `Cannot run postern nodes ${action}: --connector and --tunneler say who may come to whom`,
      { detail: { command: "nodes" } },
    );
  }
  const rule = { connector, tunneler };
  const { changed } = await withOperatorClient(
    call,
    (client) => action === "allow" ? client.allowNodes(rule, never) : client.disallowNodes(rule, never),
  );
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify({ ...rule, changed })}\n`);
    return 0;
  }
  const told = action === "allow" ? "allowed" : "no longer allowed by this rule";
  const same = action === "allow" ? "allowed before" : "there is no such rule";
  call.terminal.out(
    `${escapeControls(`tunneler ${tunneler} to connector ${connector}: ${changed ? told : same}`)}\n`,
  );
  return 0;
}

async function rules(call: Call): Promise<number> {
  const { rules } = await withOperatorClient(call, (client) => client.nodeRules(never));
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify({ rules })}\n`);
    return 0;
  }
  if (rules.length === 0) call.terminal.err("no rules: no tunneler may come to any connector\n");
  for (const { connector, tunneler, added_by, added_at } of rules) {
    const text = `tunneler ${tunneler} to connector ${connector}  by ${added_by} at ${added_at}`;
    call.terminal.out(`${escapeControls(text)}\n`);
  }
  return 0;
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
