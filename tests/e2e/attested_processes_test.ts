/** Attestation as the processes that an operator starts: enrollment by the program, an edge of two workers, kills. */
import assert from "node:assert/strict";
import { StackProcesses, type StackProcesses as Stack, startPostern } from "../support/stack_processes.ts";
import { eventually } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";
import { serviceOf, soonMs, startEndlessOrigin } from "./attestation_support.ts";

const often = { "reauth.interval": "3s", "reauth.grace": "2900ms" };

/** Runs `postern WORDS`, which has to succeed; what it printed. */
async function postern(stack: Stack, ...words: string[]): Promise<string> {
  await using process = startPostern(words, stack.folder);
  const { code, stdout, stderr } = await process.finished(soonMs);
  assert.equal(code, 0, `postern ${words[0]}: ${stdout}${stderr}`);
  return stdout;
}

async function enroll(stack: Stack, tpm: Swtpm): Promise<void> {
  const control = `--control=http://127.0.0.1:${stack.port}`;
  const token = stack.folder.file("machine.token");
  const operator = `--token-file=${stack.folder.file("edge/management.token")}`;
  await postern(stack, "enroll-token", control, operator, "--label=rack", `--out=${token}`);
  const state = `--state-directory=${stack.folder.file("agent")}`;
  await postern(stack, "enroll", control, `--token-file=${token}`, `--tpm=${tpm.address}`, state);
}

/** Lines of the edge that was started last. */
function lines(stack: Stack, event: string): string[] {
  return stack.edge.stderr.split("\n").filter((line) => line.includes(event));
}

async function proofs(stack: Stack, count: number): Promise<void> {
  const said = "re-authentication succeeded";
  await eventually(`${count} proofs`, () => lines(stack, said).length >= count, 2 * soonMs);
}

async function ask(stack: Stack): Promise<string> {
  return await (await stack.fetch("web")).text();
}

Deno.test("a machine is enrolled, attested and back after kills, with an edge of two workers", async () => {
  await using tpm = await Swtpm.start();
  using origin = startEndlessOrigin();
  await using stack = await StackProcesses.start({
    services: serviceOf(origin),
    edge: {
      workers: "2",
      "attestation.roots_directory": tpm.rootsDirectory,
      "attestation.tiers": "tpm",
      ...often,
    },
    agent: { tpm: tpm.address },
    prepare: (stack) => enroll(stack, tpm),
  });
  assert.equal(await ask(stack), "from the machine");
  await proofs(stack, 2);
  const [session] = await stack.edgeSessions();
  const { agent_id: agentId } = session as unknown as { agent_id: string };
  const status = await postern(stack, "status", "edge", `--admin-listen=127.0.0.1:${stack.edgeAdminPort}`);
  assert.match(status, /\btpm\b/);

  await stack.edge.stop("SIGKILL");
  await stack.startEdge();
  await stack.sessions(1);
  await eventually("the service is back", async () => await ask(stack) === "from the machine", soonMs);
  await proofs(stack, 1);

  await stack.agent.stop("SIGKILL");
  await stack.startAgent();
  await stack.online();
  assert.equal(await ask(stack), "from the machine");
  const established = lines(stack, "channel established");
  assert.equal(established.length, 2);
  assert.ok(
    established.every((line) => line.includes("tier=tpm") && line.includes(agentId)),
    established.join("\n"),
  );

  await postern(
    stack,
    ...["machine", "revoke", agentId, "--reason=stolen", `--control=http://127.0.0.1:${stack.port}`],
    `--token-file=${stack.folder.file("edge/management.token")}`,
  );
  await stack.sessions(0);
});
