/** An agent whose identity is a TPM: a real software TPM, a real edge with control. */
import assert from "node:assert/strict";
import { openTpm } from "../../agent/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { postern } from "../cli/program.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";

const origin = () =>
  Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("served"),
  ) as Deno.HttpServer<Deno.NetAddr>;

/** An edge that trusts the TPM's maker, and takes nothing but TPMs. */
const edgeFor = (tpm: Swtpm) =>
  startStack({ edge: { "attestation.roots_directory": tpm.rootsDirectory, "attestation.tiers": "tpm" } });

async function enroll(stack: Stack, tpm: Swtpm, directory: string): Promise<void> {
  const operator = [
    "--control",
    `http://127.0.0.1:${stack.port}`,
    "--token-file",
    stack.folder.file("edge/management.token"),
  ];
  const token = stack.folder.file("enroll.token");
  const issued = await postern(["enroll-token", "--out", token, "--label", "prod", ...operator]);
  assert.equal(issued.code, 0, issued.stderr);
  const enrolled = await postern([
    "enroll",
    "--tpm",
    tpm.address,
    "--control",
    `http://127.0.0.1:${stack.port}`,
    "--token-file",
    token,
    "--state-directory",
    directory,
  ]);
  assert.equal(enrolled.code, 0, enrolled.stderr);
}

Deno.test("an agent with a TPM serves, outlasts the loss of its TPM, and is the same after a restart", async () => {
  await using tpm = await Swtpm.start();
  await using stack = await edgeFor(tpm);
  await using server = origin();
  const directory = stack.folder.file("state");
  await enroll(stack, tpm, directory);
  const services = [{ name: "web", target: `127.0.0.1:${server.addr.port}` }];
  const settings = { tpm: tpm.address, state_directory: directory };
  const agent = await stack.addAgent(services, settings);
  assert.equal(await (await stack.fetch("web")).text(), "served");
  const { agentId } = await openTpm(parseTpmAddress(tpm.address)!, {
    clock: systemClock,
    random: systemRandom,
  });
  assert.equal(agent.agentId, agentId);

  await tpm.kill();
  agent.reconnect();
  await eventually("the loss is told", () => agent.status().last_error?.code === "tpm_unavailable");
  assert.equal(await (await stack.fetch("web")).text(), "served", "the channel that was proven stands");
  await tpm.powerOn();
  const before = stack.lines.filter(({ event }) => event === "service online").length;
  await eventually(
    "a channel is proven again",
    () => stack.lines.filter(({ event }) => event === "service online").length > before,
  );
  assert.equal(await (await stack.fetch("web")).text(), "served");

  await agent.stop();
  const again = await stack.addAgent(services, settings);
  assert.equal(again.agentId, agentId);
  assert.equal(await (await stack.fetch("web")).text(), "served");
});

Deno.test("an agent whose TPM is gone does not start, and does not take a key in a file in its place", async () => {
  await using tpm = await Swtpm.start();
  await using stack = await startStack();
  await assert.rejects(
    stack.addAgent([{ target: "127.0.0.1:1" }], { tpm: `${tpm.address}.none` }),
    (error) => codeOf(error) === "tpm_unavailable",
  );
  await assert.rejects(Deno.stat(stack.folder.file("agent-0/identity.key")), Deno.errors.NotFound);
});

Deno.test("postern attest --dry-run says what control would: not enrolled, by the policy, revoked", async () => {
  await using tpm = await Swtpm.start();
  await using stack = await edgeFor(tpm);
  const operator = [
    "--control",
    `http://127.0.0.1:${stack.port}`,
    "--token-file",
    stack.folder.file("edge/management.token"),
  ];
  const attest = async () => {
    const { code, stdout } = await postern([
      "attest",
      "--dry-run",
      "--json",
      "--tpm",
      tpm.address,
      ...operator,
    ]);
    return { exit: code, ...JSON.parse(stdout) };
  };
  const before = await attest();
  assert.deepEqual([before.exit, before.control.enrolled, before.control.refusal], [
    0,
    false,
    "machine_unknown",
  ]);

  await enroll(stack, tpm, stack.folder.file("state"));
  const enrolled = await attest();
  const { text: _, ...opinion } = enrolled.control;
  assert.deepEqual(opinion, {
    asked: true,
    enrolled: true,
    state: "active",
    labels: ["prod"],
    policy: null,
    refusal: null,
  });

  const apply = async (version: number, digest: string) => {
    const { ok } = await fetch(`http://127.0.0.1:${stack.port}/v1/policies`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${
          (await Deno.readTextFile(stack.folder.file("edge/management.token"))).trim()
        }`,
      },
      body: JSON.stringify({
        policy: { name: "racks", version, bank: "sha256", pcrs: { "7": [digest] }, labels: ["prod"] },
      }),
    });
    assert.ok(ok);
  };
  await apply(1, await tpm.pcr(7));
  const taken = await attest();
  assert.deepEqual([taken.code, taken.control.policy, taken.control.refusal], [null, "racks@1", null]);
  await apply(2, "ab".repeat(32));
  const refused = await attest();
  assert.deepEqual([refused.exit, refused.code, refused.control.policy], [4, "pcr_value_refused", "racks@2"]);

  const revoked = await postern(["machine", "revoke", taken.agent_id, "--reason", "lost", ...operator]);
  assert.equal(revoked.code, 0, revoked.stderr);
  const gone = await attest();
  assert.equal(gone.code, "machine_revoked");
  assert.match(gone.control.text, /lost/);
});
