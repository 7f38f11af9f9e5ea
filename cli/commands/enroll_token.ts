import type { ControlClient } from "../../agent/mod.ts";
import { parseDuration } from "../../src/config/mod.ts";
import { createPrivate, replacePrivate } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { isNodeId, isNodeRole, isWrappedToken, nodeRoles, parseHostKey } from "../../src/pki/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";

/**
 * `postern enroll-token --out FILE [--label LABEL]... [--ek SHA256] [--ttl DURATION]`, for a node
 * `postern enroll-token --out FILE --role ROLE --id ID [--label LABEL]... [--ttl DURATION]`, both with `[--wrap-to HOST-KEY]`. The token goes into the file and nowhere
 * else; with `--link` in the place of --out, a link that shows it once is printed. Throws `cli_flag_value_missing`, `config_value_invalid`, `host_key_malformed`, `secret_file_exists`, and what control refuses with.
 */
export async function runEnrollToken(call: Call): Promise<number> {
  const { out } = call.values;
  if (call.switches.has("link")) {
    if (out !== undefined) throw invalid("--link", "it stands in the place of --out");
    const request = requestOf(call);
    return await withOperatorClient(call, (client) => link(call, client, request));
  }
  if (out === undefined) {
    throw new PosternError(
      "cli_flag_value_missing",
      "Cannot run postern enroll-token: --out says which file the token goes into",
      { detail: { command: "enroll-token" } },
    );
  }
  const request = requestOf(call);
  const isForced = call.switches.has("force");
  // Before a token is issued that would have nowhere to go.
  if (!isForced && await exists(out)) throw alreadyThere(out);
  return await withOperatorClient(call, (client) => issue(call, client, request, out, isForced));
}

/** The link is printed: it has to be sent to somebody, and shows the token once. */
async function link(
  call: Call,
  client: ControlClient,
  request: Parameters<ControlClient["linkEnrollmentToken"]>[0],
): Promise<number> {
  const { url, ...facts } = await client.linkEnrollmentToken(request, never);
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify({ ...facts, url })}\n`);
    return 0;
  }
  call.terminal.out(`${escapeControls(url)}\n`);
  call.terminal.err(
    `token ${
      escapeControls(facts.token_id)
    }: shown once to whoever opens the link, until ${facts.expires_at}\n`,
  );
  return 0;
}

async function issue(
  call: Call,
  client: ControlClient,
  request: Parameters<ControlClient["issueEnrollmentToken"]>[0],
  out: string,
  isForced: boolean,
): Promise<number> {
  const { token, ...facts } = await client.issueEnrollmentToken(request, never);
  if (request.wrap_to !== undefined && !isWrappedToken(token)) {
    throw new PosternError("control_response_invalid", "Cannot wrap token: control answers with a bare one");
  }
  if (isForced) await replacePrivate(out, `${token}\n`);
  else if (!await createPrivate(out, `${token}\n`)) throw alreadyThere(out);
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify({ ...facts, file: out })}\n`);
    return 0;
  }
  const labels = facts.labels === undefined ? "as the machine has" : facts.labels.join(", ") || "none";
  const byTpm = facts.ek_sha256 === undefined ? "" : ` by the TPM of EK ${facts.ek_sha256}`;
  const node = facts.role === undefined ? undefined : `${facts.role} ${facts.id}${byTpm}`;
  const bound = facts.ek_sha256 === undefined ? "any machine" : `the machine of EK ${facts.ek_sha256}`;
  const whom = node ?? `${bound}, labels ${labels}`;
  const where = request.wrap_to === undefined ? out : `${out}, which only the host of that key can open`;
  const text = `token ${facts.token_id} for ${whom}: expires ${facts.expires_at}; in ${where}`;
  call.terminal.err(`${escapeControls(text)}\n`);
  return 0;
}

function requestOf(call: Call): Parameters<ControlClient["issueEnrollmentToken"]>[0] {
  const { role, id } = call.values;
  if (role !== undefined || id !== undefined) return nodeRequestOf(call);
  const labels = labelsOf(call);
  return { ...(labels === undefined ? {} : { labels }), ...boundsOf(call) };
}

/** For a node. */
function nodeRequestOf(call: Call): Parameters<ControlClient["issueEnrollmentToken"]>[0] {
  const { role, id } = call.values;
  if (role === undefined || id === undefined) throw invalid("--role", "it goes with --id");
  if (!isNodeRole(role)) throw invalid("--role", `expected ${nodeRoles.join(", ")}`);
  if (!isNodeId(id)) throw invalid("--id", "expected 1 to 64 letters, digits and ._-");
  const labels = labelsOf(call);
  return { role, id, ...(labels === undefined ? {} : { labels }), ...boundsOf(call) };
}

/** Undefined: whoever is enrolled already keeps its labels. */
function labelsOf({ values: { label }, switches }: Call): string[] | undefined {
  const isBare = switches.has("no-labels");
  if (isBare && label !== undefined) throw invalid("--no-labels", "--label says the opposite");
  return isBare ? [] : label?.split(",");
}

/** Until when, by which TPM and by which host. */
function boundsOf(call: Call): { ttl_seconds?: number; ek_sha256?: string; wrap_to?: string } {
  const { ttl, ek, "wrap-to": wrapTo } = call.values;
  const ekSha256 = ek?.toLowerCase().replaceAll(":", "");
  if (ekSha256 !== undefined && !/^[0-9a-f]{64}$/.test(ekSha256)) {
    throw invalid("--ek", "expected 64 hex digits");
  }
  // A mistyped key is found here, whoever control is.
  if (wrapTo !== undefined) parseHostKey(wrapTo);
  return {
    ...(ttl === undefined ? {} : { ttl_seconds: secondsOf(ttl) }),
    ...(ekSha256 === undefined ? {} : { ek_sha256: ekSha256 }),
    ...(wrapTo === undefined ? {} : { wrap_to: wrapTo }),
  };
}

function secondsOf(ttl: string): number {
  const ms = parseDuration(ttl);
  if (ms === undefined || ms < 1_000) throw invalid("--ttl", "expected a duration with its unit (1h, 7d)");
  return Math.floor(ms / 1_000);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false; // or out of reach: then writing it says so
  }
}

function alreadyThere(path: string): PosternError {
  return new PosternError(
    "secret_file_exists",
    `Cannot write token to ${path}: there is such a file already`,
  );
}

function invalid(flag: string, state: string): PosternError {
  return new PosternError("config_value_invalid", `Cannot use ${flag}: ${state}`);
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
