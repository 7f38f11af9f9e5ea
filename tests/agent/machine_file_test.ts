import assert from "node:assert/strict";
import { checkMachineFile, machineFileIn, writeMachineFile } from "../../agent/machine_file.ts";
import { TempDir } from "../support/temp_dir.ts";

const enrolled = {
  agent_id: "agent-a",
  control: "https://c.example",
  enrolled_at: "2026-01-01T00:00:00.000Z",
};

Deno.test("checkMachineFile() takes a directory without a file and its own machine's, and no other's: machine_replaced", async () => {
  await using folder = await TempDir.make("machine-file");
  const path = machineFileIn(folder.path);
  await checkMachineFile(path, "agent-b");
  await writeMachineFile(path, enrolled);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  await checkMachineFile(path, "agent-a");
  await assert.rejects(checkMachineFile(path, "agent-b"), { code: "machine_replaced" });
  await writeMachineFile(path, { ...enrolled, agent_id: "agent-b" });
  await checkMachineFile(path, "agent-b");
});

Deno.test("checkMachineFile() refuses a file that names nobody: machine_file_malformed", async () => {
  await using folder = await TempDir.make("machine-file");
  const path = machineFileIn(folder.path);
  for (const text of ["", "{", "[]", '{"agent_id":7}']) {
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    await assert.rejects(checkMachineFile(path, "agent-a"), { code: "machine_file_malformed" }, text);
  }
});
