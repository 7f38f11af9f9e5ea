/** Programs that an upgrade starts, and the service that it waits for. */
import { PosternError } from "../../src/errors/mod.ts";
import { isVersion } from "../../src/release/mod.ts";
import { httpGet } from "../http_get.ts";

/** First start of a file: it unpacks itself. */
const startTimeoutMs = 60_000;
/** Longer than any unit's time to stop. */
const restartTimeoutMs = 180_000;
const askTimeoutMs = 2_000;
const pollMs = 200;
/** So long a new version has to be ready without a gap: one that falls over after its start is not. */
const steadyMs = 2_000;
const maxStatusBytes = 4_194_304;

/** Throws `upgrade_not_permitted`. */
export async function checkMayStart(): Promise<void> {
  if ((await Deno.permissions.query({ name: "run" })).state === "granted") return;
  throw new PosternError("upgrade_not_permitted", "Cannot upgrade: this program may not start others");
}

/** The version that a program says it is. Throws `upgrade_program_unusable`. */
export async function versionOf(program: string): Promise<string> {
  try {
    const { code, stdout } = await new Deno.Command(program, {
      args: ["version", "--json"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.timeout(startTimeoutMs),
    }).output();
    const { version } = JSON.parse(new TextDecoder().decode(stdout)) as { version?: unknown };
    if (code === 0 && typeof version === "string" && isVersion(version)) return version;
  } catch (cause) {
    throw unusable(program, cause);
  }
  throw unusable(program);
}

function unusable(program: string, cause?: unknown): PosternError {
  return new PosternError("upgrade_program_unusable", `Cannot use ${program}: it does not tell its version`, {
    cause,
  });
}

/** Runs a command of words between blanks, without a shell. Whether it ended well, and in time. */
export async function runCommand(command: string): Promise<boolean> {
  const [program, ...args] = command.trim().split(/\s+/);
  try {
    const { success } = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      signal: AbortSignal.timeout(restartTimeoutMs),
    }).output();
    return success;
  } catch {
    return false;
  }
}

/** What a running edge or agent tells; undefined when none answers. */
export async function statusAt(
  admin: string,
): Promise<{ readonly version: unknown; readonly id: string | undefined } | undefined> {
  try {
    const options = { timeoutMs: askTimeoutMs, maxBytes: maxStatusBytes };
    const { status, body } = await httpGet(`http://${admin}/status`, options);
    if (status !== 200) return undefined;
    const { version, agent_id, edge_id } = JSON.parse(body) as Record<string, unknown>;
    const id = agent_id ?? edge_id;
    return { version, id: typeof id === "string" ? id : undefined };
  } catch {
    return undefined;
  }
}

/** Whether this version became ready in time, and stayed so for two seconds. */
export async function becomesReady(admin: string, version: string, timeoutMs: number): Promise<boolean> {
  const until = Date.now() + timeoutMs;
  let since: number | undefined;
  while (Date.now() < until || since !== undefined) {
    since = await isReady(admin, version) ? since ?? Date.now() : undefined;
    if (since !== undefined && Date.now() - since >= steadyMs) return true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return false;
}

async function isReady(admin: string, version: string): Promise<boolean> {
  try {
    const options = { timeoutMs: askTimeoutMs, maxBytes: maxStatusBytes };
    const { status } = await httpGet(`http://${admin}/readyz`, options);
    return status === 200 && (await statusAt(admin))?.version === version;
  } catch {
    return false;
  }
}
