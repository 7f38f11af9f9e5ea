import type { ControlClient, TokenAnswer } from "../../agent/mod.ts";
import { parseDuration } from "../../src/config/mod.ts";
import { replacePrivate } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";

/**
 * `postern token --owner NAME [--role ROLE] [--ttl DURATION] [--out FILE]` and
 * `postern token revoke --owner NAME | --family ID`. Throws `cli_flag_value_missing`, `config_value_invalid`, the codes of
 * secret files, and what control refuses with.
 */
export async function runToken(call: Call): Promise<number> {
  const isRevocation = call.arguments[0] === "revoke";
  checkFlags(call, isRevocation);
  return await withOperatorClient(
    call,
    (client) => isRevocation ? revoke(call, client) : issue(call, client),
  );
}

async function issue(call: Call, client: ControlClient): Promise<number> {
  const { owner, role, ttl, out } = call.values;
  const request = { owner, role, ...(ttl === undefined ? {} : { ttl_seconds: secondsOf(ttl) }) };
  const answer = await client.issueToken(request, never);
  if (out !== undefined) await replacePrivate(out, `${answer.management_token}\n`);
  if (call.switches.has("json")) {
    const { management_token: _, ...facts } = answer;
    call.terminal.out(`${JSON.stringify(out === undefined ? answer : { ...facts, file: out })}\n`);
    return 0;
  }
  if (out === undefined) call.terminal.out(`${answer.management_token}\n`);
  call.terminal.err(`${escapeControls(summaryOf(answer))}\n`);
  return 0;
}

async function revoke(call: Call, client: ControlClient): Promise<number> {
  const { owner, family } = call.values;
  const { tunnels } = await client.revokeTokens(owner === undefined ? { family } : { owner }, never);
  const what = owner === undefined ? { family } : { owner };
  call.terminal.out(
    call.switches.has("json")
      ? `${JSON.stringify({ revoked: what, tunnels })}\n`
      : `revoked ${
        owner === undefined ? `family ${family}` : `all tokens of ${owner}`
      }; ${tunnels} tunnels cut\n`,
  );
  return 0;
}

function summaryOf({ owner, role, family, expires_at, family_ends_at }: TokenAnswer): string {
  return `${role} ${owner}, family ${family}: expires ${expires_at}, can be renewed until ${family_ends_at}`;
}

function checkFlags(call: Call, isRevocation: boolean): void {
  const { owner, family } = call.values;
  const refuse = (code: "cli_flag_value_missing" | "cli_flag_unknown", state: string): never => {
    throw new PosternError(code, `Cannot run postern token: ${state}`, { detail: { command: "token" } });
  };
  if (isRevocation) {
    if ((owner === undefined) === (family === undefined)) {
      refuse("cli_flag_value_missing", "revoke needs --owner or --family, and not both");
    }
    const extra = ["role", "ttl", "out"].find((name) => call.values[name] !== undefined);
    if (extra !== undefined) refuse("cli_flag_unknown", `revoke takes no --${extra}`);
  } else {
    if (owner === undefined) refuse("cli_flag_value_missing", "--owner says whose token it is");
    if (family !== undefined) refuse("cli_flag_unknown", "--family is for revoke");
  }
}

function secondsOf(ttl: string): number {
  const ms = parseDuration(ttl);
  if (ms === undefined || ms < 1_000) {
    throw new PosternError(
      "config_value_invalid",
      "Cannot use --ttl: expected a duration with its unit (24h, 7d)",
    );
  }
  return Math.floor(ms / 1_000);
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
