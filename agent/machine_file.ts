/**
 * Which machine a state directory belongs to. Nothing in it is secret, and nothing rests on it: who the agent is, its TPM says
 * at every start. It shows a directory that was copied to another machine, or a TPM that was replaced, before control refuses it.
 */
import { z } from "zod";
import { readPrivate, replacePrivate } from "../src/driver/mod.ts";
import { PosternError } from "../src/errors/mod.ts";

const MAX_FILE_BYTES = 4_096;

const schema = z.object({
  agent_id: z.string(),
  /** Where it is enrolled. */
  control: z.string(),
  enrolled_at: z.string(),
});
export type EnrolledAs = z.infer<typeof schema>;

/** Path in a state directory. */
export function machineFileIn(directory: string): string {
  return `${directory}/machine.json`;
}

/**
 * Throws `machine_replaced` when the directory belongs to another machine than the one of this agent id, `machine_file_malformed`,
 * and the codes of private files. Without a file there is nothing to compare.
 */
export async function checkMachineFile(path: string, agentId: string): Promise<void> {
  const known = await readMachineFile(path);
  if (known === undefined || known.agent_id === agentId) return;
  throw new PosternError(
    "machine_replaced",
    `Cannot use state directory: it belongs to ${known.agent_id}, and this machine's TPM is ${agentId}`,
    { detail: { path } },
  );
}

async function readMachineFile(path: string): Promise<EnrolledAs | undefined> {
  const text = await readPrivate(path, MAX_FILE_BYTES);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new PosternError("machine_file_malformed", `Cannot use ${path}: it does not name a machine`, {
      cause,
    });
  }
}

/** Replaces the file in one step. Throws `state_unwritable`. */
export async function writeMachineFile(path: string, enrolled: EnrolledAs): Promise<void> {
  await replacePrivate(path, `${JSON.stringify(enrolled, undefined, 2)}\n`);
}
