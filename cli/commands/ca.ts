import type { AuthoritiesAnswer, ControlClient } from "../../agent/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { severities } from "../../src/pki/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { readText, signIssuing, writeNew } from "./ca_sign.ts";
import { withOperatorClient } from "../operator_client.ts";

type Action = "show" | "rotate" | "request" | "sign" | "import" | "revoke";

/** Flags of each action beside those of every operator's command. */
const ACTIONS: Readonly<Record<Action, readonly string[]>> = {
  show: [],
  rotate: ["plan", "apply", "root"],
  request: ["out", "force"],
  sign: ["request", "root-key-file", "root-cert-file", "days", "out", "force"],
  import: ["certificate"],
  revoke: ["serial", "key-sha256", "node", "severity", "reason"],
};

/**
 * `postern ca show`, `postern ca rotate --plan|--apply [--root]`, `postern ca request --out FILE`, `postern ca sign --request FILE --root-key-file FILE
 * --root-cert-file FILE --out FILE [--days N]`, `postern ca import --certificate FILE`, `postern ca revoke --serial|--key-sha256|--node VALUE --reason TEXT`.
 * Throws `cli_flag_unknown`, `cli_flag_value_missing`, `config_value_invalid`, and what control refuses with.
 */
export async function runCa(call: Call): Promise<number> {
  const action = call.arguments[0] as Action;
  checkFlags(call, action);
  switch (action) {
    case "show":
      return await withOperatorClient(call, async (client) => tell(call, await client.authorities(never)));
    case "rotate":
      return await rotate(call);
    case "request":
      return await request(call);
    case "sign":
      return await signIssuing(call);
    case "import":
      return await importIssuing(call);
    case "revoke":
      return await revoke(call);
    default:
      return action satisfies never;
  }
}

async function rotate(call: Call): Promise<number> {
  const [plan, apply] = [call.switches.has("plan"), call.switches.has("apply")];
  if (plan === apply) throw missing("rotate", "--plan says what would be done, --apply does the next step");
  const what = call.switches.has("root") ? "root" : "issuing";
  return await withOperatorClient(call, async (client) => {
    if (apply) return tell(call, await client.rotateAuthorities(what, never));
    const now = await client.authorities(never);
    if (call.switches.has("json")) return tell(call, now);
    for (const line of planOf(now, what)) call.terminal.out(`${escapeControls(line)}\n`);
    return 0;
  });
}

/** The key stays at control; what is written is to be carried to where the root's key is. */
async function request(call: Call): Promise<number> {
  const out = demanded(call, "request", "out", "the new file for the request");
  const { request } = await withOperatorClient(call, (client) => client.requestAuthority(never));
  await writeNew(call, out, request);
  const told =
    `request in ${out}; sign it where the root's key is: postern ca sign --request ${out} --root-key-file FILE`;
  call.terminal.out(`${call.switches.has("json") ? JSON.stringify({ file: out }) : escapeControls(told)}\n`);
  return 0;
}

async function importIssuing(call: Call): Promise<number> {
  const file = demanded(call, "import", "certificate", "what `postern ca sign` has written");
  const certificate = await readText(file);
  return await withOperatorClient(
    call,
    async (client) => tell(call, await client.importAuthority(certificate, never)),
  );
}

async function revoke(call: Call): Promise<number> {
  const { serial, "key-sha256": key, node, severity = "cut", reason } = call.values;
  const named = [["serial", serial], ["key", key], ["id", node]].filter(([, value]) => value !== undefined);
  if (named.length !== 1) {
    throw missing("revoke", "one of --serial, --key-sha256 and --node says what is taken back");
  }
  if (reason === undefined) throw missing("revoke", "--reason says why, in the audit");
  if (!(severities as readonly string[]).includes(severity)) {
    throw new PosternError("config_value_invalid", "Cannot use --severity: expected drain or cut");
  }
  const [[kind, value]] = named as [string, string][];
  const request = { kind, value, severity, reason };
  const done = await withOperatorClient(
    call,
    (client: ControlClient) => client.revokeIdentity(request, never),
  );
  const what = done.kind === "id" ? "node" : done.kind;
  const told = `${what} ${done.value} is revoked${done.already ? ", and was before" : ""}`;
  call.terminal.out(`${call.switches.has("json") ? JSON.stringify(done) : escapeControls(told)}\n`);
  return 0;
}

function planOf(now: AuthoritiesAnswer, what: "issuing" | "root"): string[] {
  if (now.rotation !== undefined) return ["A rotation is under way:", ...rotationLines(now)];
  const made = what === "root" ? "a new root and an issuing CA under it" : "a new issuing CA under the root";
  return [
    `1. publish  ${made}, in trust bundle ${now.bundle_version + 1}; nodes fetch it within minutes`,
    "2. activate after identity.publish: the new one issues, both are believed",
    `3. retire   the old one, once all of its ${now.nodes} nodes have renewed or ended`,
    ...(now.root_key_here
      ? ["Steps 2 and 3 are done by control when they are due. Start with: postern ca rotate --apply"]
      : [
        "The key of the root is not in STATE/ca of this control: put it back for step 1, or have an issuing CA signed where it is:",
        "  postern ca request --out issuing.csr     at this control",
        "  postern ca sign --request issuing.csr --root-key-file FILE --root-cert-file FILE --out issuing.pem     there",
        "  postern ca import --certificate issuing.pem     at this control: begins step 1",
      ]),
  ];
}

function rotationLines({ rotation }: AuthoritiesAnswer): string[] {
  if (rotation === undefined) return [];
  const { what, stage, activate_at, nodes_left, from, to, started_by } = rotation;
  const next = stage === "published"
    ? `the new one issues from ${activate_at} on`
    : `the old one is retired when its ${nodes_left} nodes have renewed or ended`;
  return [`rotation of the ${what} by ${started_by}: ${stage}; ${next}`, `  from ${from}`, `  to   ${to}`];
}

function tell(call: Call, now: AuthoritiesAnswer): number {
  if (call.switches.has("json")) {
    call.terminal.out(`${JSON.stringify(now)}\n`);
    return 0;
  }
  const line = (kind: string, one: AuthoritiesAnswer["roots"][number], note: string) =>
    `${kind} ${one.sha256}  until ${one.accepted_until ?? one.expires_at}${note}`;
  const lines = [
    `trust domain ${now.trust_domain}, trust bundle ${now.bundle_version}, ${now.nodes} nodes of this control's issuing CA`,
    `bootstrap ${now.bootstrap_sha256}`,
    ...now.roots.map((one) => line("root     ", one, one.accepted_until === undefined ? "" : "  retired")),
    ...now.issuing.map((one) =>
      line(
        "issuing  ",
        one,
        one.accepted_until !== undefined
          ? "  retired"
          : one.here
          ? "  issues here"
          : one.issues
          ? "  issues"
          : "  verifies",
      )
    ),
    now.root_key_here ? "the key of the root is at this control" : "the key of the root is offline",
    ...rotationLines(now),
    ...now.warnings.map(({ code, kind, sha256, expires_at }) =>
      `warning[${code}]: ${kind.replace("_", " ")} ${sha256} ends ${expires_at}; postern explain ${code}`
    ),
  ];
  for (const text of lines) call.terminal.out(`${escapeControls(text)}\n`);
  return 0;
}

function checkFlags(call: Call, action: Action): void {
  const own = new Set(ACTIONS[action]);
  const others = Object.values(ACTIONS).flat().filter((name) => !own.has(name));
  const wrong = others.find((name) => call.values[name] !== undefined || call.switches.has(name));
  if (wrong === undefined) return;
  throw new PosternError("cli_flag_unknown", `Cannot run postern ca ${action}: it takes no --${wrong}`, {
    detail: { command: "ca" },
  });
}

/** Throws `cli_flag_value_missing`. */
function demanded(call: Call, action: Action, flag: string, what: string): string {
  const value = call.values[flag];
  if (value === undefined) throw missing(action, `--${flag} names ${what}`);
  return value;
}

function missing(action: Action, state: string): PosternError {
  return new PosternError("cli_flag_value_missing", `Cannot run postern ca ${action}: ${state}`, {
    detail: { command: "ca" },
  });
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
