import { type AuditAnswer, auditAnswer, type ControlClient } from "../../agent/mod.ts";
import { type AuditFault, AuditWalk, openAuditHasher } from "../../src/audit/mod.ts";
import { createPrivate, systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { AuditCheckpoint, AuditLine } from "../../src/ports/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { withOperatorClient } from "../operator_client.ts";

type ExportedLine = AuditAnswer["lines"][number];

const defaultShown = 20;
const maxShown = 400;
/** Longest pause that control may ask for between two pages. */
const maxPauseMs = 60_000;

/**
 * `postern audit [--lines COUNT]`, `postern audit export [--out FILE]` and
 * `postern audit verify [--in FILE] [--since ID:HASH]`. Throws `audit_broken`, `audit_export_malformed`,
 * `cli_flag_unknown`, `config_value_invalid`, and what control refuses with.
 */
export async function runAudit(call: Call): Promise<number> {
  const [action = "show"] = call.arguments;
  checkFlags(call, action);
  if (action === "export") return await withOperatorClient(call, (client) => exportLines(call, client));
  if (action === "show") return await withOperatorClient(call, (client) => show(call, client));
  const file = call.values.in;
  if (file !== undefined) return await verify(call, linesOf(await textOf(file)), () => undefined);
  return await withOperatorClient(call, (client) => {
    const pages = new Pages(call, client);
    return verify(call, pages.lines(), () => pages.head);
  });
}

async function show(call: Call, client: ControlClient): Promise<number> {
  const wanted = countOf(call.values.lines);
  const { head } = await client.auditLines(Number.MAX_SAFE_INTEGER, never);
  const { lines } = await client.auditLines(Math.max(0, (head?.id ?? 0) - wanted), never);
  for (const line of lines) {
    const { id, at, actor, action, subject, outcome } = line;
    call.terminal.out(
      call.switches.has("json")
        ? `${JSON.stringify(line)}\n`
        : `${escapeControls([id, at, actor, action, subject, outcome].join("  "))}\n`,
    );
  }
  return 0;
}

async function exportLines(call: Call, client: ControlClient): Promise<number> {
  const pages = new Pages(call, client);
  const { out } = call.values;
  if (out !== undefined && !await createPrivate(out, "")) {
    throw new PosternError("audit_export_exists", `Cannot export to ${out}: there is such a file already`);
  }
  using file = out === undefined ? undefined : await Deno.open(out, { write: true });
  const encoder = new TextEncoder();
  let exported = 0;
  for await (const line of pages.lines()) {
    const text = `${JSON.stringify(line)}\n`;
    if (file === undefined) call.terminal.out(text);
    else for (let rest = encoder.encode(text); rest.length > 0;) rest = rest.subarray(await file.write(rest));
    exported++;
  }
  await file?.sync();
  call.terminal.err(`${exported} lines exported${out === undefined ? "" : ` to ${out}`}\n`);
  return 0;
}

async function verify(
  call: Call,
  lines: AsyncIterable<ExportedLine> | Iterable<ExportedLine>,
  head: () => AuditCheckpoint | undefined,
): Promise<number> {
  const walk = new AuditWalk(await openAuditHasher(), checkpointOf(call.values.since));
  for await (const { at, ...line } of lines) {
    const fault = walk.take({ ...line, atMs: Date.parse(at) } satisfies AuditLine);
    if (fault !== undefined) throw broken(fault);
  }
  const end = walk.end(head());
  if ("what" in end) throw broken(end);
  const { isShortened, head: hash, lines: count, firstId: first_id, lastId: last_id } = end;
  call.terminal.out(
    call.switches.has("json")
      ? `${JSON.stringify({ lines: count, first_id, last_id, shortened: isShortened, head: hash })}\n`
      : `${count} lines hold, from ${first_id} to ${last_id}${
        isShortened ? "; older ones are not there" : ""
      }\nnewest ${last_id}:${hash}\n`,
  );
  return 0;
}

/** The log, page after page, as fast as control gives it. */
class Pages {
  head: AuditCheckpoint | undefined;
  readonly #call: Call;
  readonly #client: ControlClient;

  constructor(call: Call, client: ControlClient) {
    this.#call = call;
    this.#client = client;
  }

  async *lines(): AsyncGenerator<ExportedLine> {
    let after = 0;
    for (;;) {
      const page = await this.#page(after);
      this.head = page.head;
      const last = page.lines.at(-1);
      if (last === undefined) return;
      yield* page.lines;
      // A server that does not go on must not hold us for ever.
      if (last.id <= after) throw broken({ id: last.id, what: "gap" });
      after = last.id;
      if (this.#call.terminal.live) {
        this.#call.terminal.err(
          `\r${after} of ${page.head?.id ?? after}${after === page.head?.id ? "\n" : ""}`,
        );
      }
      if (after >= (page.head?.id ?? after)) return;
    }
  }

  async #page(after: number): Promise<AuditAnswer> {
    for (;;) {
      try {
        return await this.#client.auditLines(after, never);
      } catch (error) {
        const wait = error instanceof PosternError && error.code === "rate_limited"
          ? Number(error.detail.retry_after_ms ?? 1_000)
          : Infinity;
        if (wait > maxPauseMs) throw error;
        await new Promise<void>((resolve) => systemClock.schedule(systemClock.now() + wait, resolve));
      }
    }
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new PosternError("audit_export_malformed", `Cannot verify audit log: ${path} cannot be read`, {
      cause,
    });
  }
}

const exportedLine = auditAnswer.shape.lines.element;

function* linesOf(text: string): Generator<ExportedLine> {
  for (const [at, line] of text.split("\n").entries()) {
    if (line === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      // Told below, like a line of another form.
    }
    const parsed = exportedLine.safeParse(value);
    if (!parsed.success) {
      throw new PosternError(
        "audit_export_malformed",
        `Cannot verify audit log: line ${at + 1} is no audit line`,
      );
    }
    yield parsed.data;
  }
}

function broken({ id, what }: AuditFault): PosternError {
  const states: Readonly<Record<AuditFault["what"], string>> = {
    edited: `line ${id} is not as it was written`,
    gap: `before line ${id} something is missing or in another order`,
    checkpoint: `line ${id} is not the one that was noted`,
    cut_off: `line ${id} and what follows are missing`,
  };
  return new PosternError("audit_broken", `Cannot vouch for audit log: ${states[what]}`, {
    detail: { id, what },
  });
}

function checkpointOf(text: string | undefined): AuditCheckpoint | undefined {
  if (text === undefined) return undefined;
  const match = /^([1-9][0-9]{0,15}):([0-9a-f]{64})$/.exec(text);
  if (match === null) {
    throw new PosternError(
      "config_value_invalid",
      "Cannot use --since: expected ID:HASH as `audit verify` prints it",
    );
  }
  return { id: Number(match[1]), hash: match[2] };
}

function countOf(text: string | undefined): number {
  if (text === undefined) return defaultShown;
  const count = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= maxShown) return count;
  throw new PosternError(
    "config_value_invalid",
    `Cannot use --lines: expected a number from 1 to ${maxShown}`,
  );
}

function checkFlags(call: Call, action: string): void {
  const may: Readonly<Record<string, readonly string[]>> = {
    show: ["lines"],
    export: ["out"],
    verify: ["in", "since"],
  };
  const extra = ["lines", "out", "in", "since"].find((name) =>
    call.values[name] !== undefined && !may[action].includes(name)
  );
  if (extra === undefined) return;
  throw new PosternError("cli_flag_unknown", `Cannot run postern audit: ${action} takes no --${extra}`, {
    detail: { command: "audit" },
  });
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
