import type { ControlClient, TokenAnswer } from "../../agent/mod.ts";
import { fromBase64Url, utf8Decode } from "../../src/bytes/mod.ts";
import { maxSecretFileBytes, parseDuration } from "../../src/config/mod.ts";
import { replacePrivate } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";

/**
 * `postern token --owner NAME [--role ROLE] [--ttl DURATION] [--out FILE [--force]]` and
 * `postern token revoke --owner NAME | --family ID`. Throws `cli_flag_value_missing`, `config_value_invalid`, `secret_file_exists`, the codes of
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
  if (out !== undefined && !call.switches.has("force")) await checkOut(out, owner);
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
  const { tunnels, known } = await client.revokeTokens(owner === undefined ? { family } : { owner }, never);
  const what = owner === undefined ? { family } : { owner };
  call.terminal.out(
    call.switches.has("json")
      ? `${JSON.stringify({ revoked: what, tunnels, known })}\n`
      : `revoked ${
        owner === undefined ? `family ${family}` : `all tokens of ${owner}`
      }; ${tunnels} tunnels cut\n`,
  );
  // Exit code 0: what is to be void is void, and a script that revokes twice is right.
  if (!known) {
    const name = owner === undefined ? `family ${family}` : `owner ${owner}`;
    call.terminal.err(
      `warning: control has given out nothing to ${name} that has not ended: is it spelt right?\n`,
    );
  }
  return 0;
}

/** Refuses to replace what is no token of this owner: a slip in a name would put another one's agents under this owner. */
async function checkOut(out: string, owner: string): Promise<void> {
  let text: string;
  try {
    const { size, isFile } = await Deno.stat(out);
    text = isFile && size <= maxSecretFileBytes ? (await Deno.readTextFile(out)).trim() : "?";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    text = "?"; // writing it will say more
  }
  if (text === "" || ownerOf(text) === owner) return;
  throw new PosternError(
    "secret_file_exists",
    `Cannot write ${out}: it holds something else than a token of ${owner}; --force replaces it`,
    { detail: { command: "token" } },
  );
}

/** Whose management token a text is, unverified; undefined when it is none. */
function ownerOf(text: string): string | undefined {
  try {
    const { sub } = JSON.parse(utf8Decode(fromBase64Url(text.split(".")[1])));
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
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
    if (call.switches.has("force")) refuse("cli_flag_unknown", "revoke takes no --force");
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
