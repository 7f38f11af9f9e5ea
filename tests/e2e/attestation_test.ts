/** Machines with a real software TPM, from enrollment to the cut: edge, control and agents in this process. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { openTpm, TpmProvider } from "../../agent/tpm/mod.ts";
import type { EvidenceProvider } from "../../src/attestation/mod.ts";
import type { Challenge } from "../../src/channel/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import {
  established,
  FROM_MACHINE,
  openStream,
  serviceOf,
  soonMs,
  startEndlessOrigin,
} from "./attestation_support.ts";
import { AttestedStack } from "../support/attested_stack.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { RogueAgent } from "../support/rogue_agent.ts";
import { eventually, within } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TempDir } from "../support/temp_dir.ts";

Deno.test("an enrolled machine publishes in tier tpm; its identity is in no file", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  const agentId = await attested.enroll(tpm);
  const first = await attested.serve(tpm, serviceOf(origin));
  assert.equal(first.agentId, agentId);
  assert.equal(await ask(attested), FROM_MACHINE);
  assert.deepEqual(established(attested).map(({ fields }) => [fields.agent_id, fields.tier]), [[
    agentId,
    "tpm",
  ]]);
  await first.stop();
  // Another state directory: a disk that was wiped.
  const again = await attested.serve(tpm, serviceOf(origin));
  assert.equal(again.agentId, agentId);
  assert.equal(await ask(attested), FROM_MACHINE);
});

Deno.test("a machine that is not enrolled is refused, and one that has copied another's state directory", async () => {
  await using tpm = await Swtpm.start();
  await using other = await Swtpm.start({ name: "second" });
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  const honest = await attested.serve(tpm, serviceOf(origin));
  const copy = attested.stack.folder.file("copy");
  await copyDirectory(attested.stack.folder.file("agent-0"), copy);
  await honest.stop();
  const thief = await attested.stack.startAgent(serviceOf(origin), {
    tpm: other.address,
    state_directory: copy,
  });
  assert.notEqual(thief.agentId, honest.agentId);
  await refused(attested, "machine_not_enrolled");
  assert.equal(established(attested).length, 1);
});

Deno.test("a machine that was revoked is cut, refused, and let in again when that ends", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  const agentId = await attested.enroll(tpm);
  const agent = await attested.serve(tpm, serviceOf(origin));
  const stream = await openStream(attested);
  await attested.operator.revokeMachine({ agent_id: agentId }, "stolen", AbortSignal.timeout(soonMs));
  await within(soonMs, "the stream of the revoked machine is cut", stream.cut, attested.stack.lines);
  await refused(attested, "machine_revoked");
  assert.equal((await attested.stack.fetch("web").then(dispose)).status, 503);
  await within(soonMs, "the agent gives up", agent.done);
  await attested.operator.restoreMachine({ agent_id: agentId }, AbortSignal.timeout(soonMs));
  await attested.serve(tpm, serviceOf(origin));
  assert.equal(await ask(attested), FROM_MACHINE);
});

Deno.test("a machine is cut when the operator's list revokes its certificate or its authority, refused, and let in again", async () => {
  await using tpm = await Swtpm.start();
  await using folder = await TempDir.make("revoked");
  const list = (content: object) => folder.write("list.json", JSON.stringify({ version: 1, ...content }));
  const revocations = await list({});
  await using attested = await AttestedStack.start(tpm, {
    edge: { "attestation.revocations_file": revocations },
  });
  using origin = startEndlessOrigin();
  const agentId = await attested.enroll(tpm);
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const authority = new X509Certificate(await Deno.readTextFile(tpm.maker.intermediatePath));
  const revoked = [
    ["ek_certificate_revoked", {
      certificates: Object.values(tpm.certificates).map((one) => ({ sha256: sha256(one) })),
    }],
    ["ek_issuer_revoked", {
      keys: [{ sha256: sha256(authority.publicKey.export({ format: "der", type: "spki" })) }],
    }],
  ] as const;
  for (const [code, content] of revoked) {
    const agent = await attested.serve(tpm, serviceOf(origin));
    const stream = await openStream(attested);
    await list(content);
    await attested.stack.edge.reload();
    await within(soonMs, "the stream of the revoked machine is cut", stream.cut, attested.stack.lines);
    await refused(attested, code);
    await within(soonMs, "the agent gives up", agent.done);
    await assert.rejects(attested.enroll(tpm), { code });
    await list({});
    await attested.stack.edge.reload();
  }
  assert.equal(await attested.enroll(tpm), agentId);
  await attested.serve(tpm, serviceOf(origin));
  assert.equal(await ask(attested), FROM_MACHINE);
});

Deno.test("evidence that an honest machine gave for another channel opens none", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  await attested.enroll(tpm);
  const { stack } = attested;
  const machine = new TpmProvider(
    await openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom }),
  );
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create({ name: "web" });

  // Somebody in the middle plays edge to the machine, with the nonce of the real edge: the machine proves itself for the
  // channel between those two, and the stage 1 token that it gets names that channel.
  const relayed = async (challenge: Challenge) =>
    (await rogue.honestAs(machine, created.ephemeral_token))({
      ...challenge,
      handshakeHash: systemRandom(32),
      agentStatic: systemRandom(32),
    });
  const first = await rogue.knock(created, created.ephemeral_token, relayed);
  assert.equal(await within(soonMs, "the knock ends", first.ended), "stage1_wrong_channel");

  // Or asks control itself, and has the machine sign what fits its own channel.
  const again = await rogue.create({ recreate_token: created.recreate_token });
  const forwarded: EvidenceProvider = {
    kind: "tpm",
    agentId: machine.agentId,
    prove: ({ pcrs }) => machine.prove({ qualifyingData: systemRandom(32), pcrs }),
  };
  const prove = rogue.honestAs(forwarded, again.ephemeral_token);
  let refusal: unknown;
  const second = await rogue.knock(again, again.ephemeral_token, async (challenge) => {
    try {
      return await prove(challenge);
    } catch (error) {
      refusal = codeOf(error);
      throw error;
    }
  });
  await within(soonMs, "the knock ends", second.ended);
  assert.equal(refusal, "attest_nonce_wrong");
  assert.equal(established(attested).length, 0);
});

Deno.test("where only tier tpm is admitted an agent with a key in a file is refused", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm, { edge: { "attestation.tiers": "tpm" } });
  using origin = startEndlessOrigin();
  await attested.start(undefined, serviceOf(origin));
  await refused(attested, "tier_too_weak");
  assert.equal(established(attested).length, 0);
  await attested.enroll(tpm);
  await attested.serve(tpm, serviceOf(origin));
  assert.equal(await ask(attested), FROM_MACHINE);
});

Deno.test("a service that demands tier tpm is not served by an agent with a key in a file", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  const demanding = serviceOf(origin).map((service) => ({ ...service, require_tier: "tpm" }));
  await attested.serve(tpm, demanding);
  // The same owner, the same name, and no word of the demand: it is the service's, not the agent's.
  await attested.start(undefined, serviceOf(origin));
  await refused(attested, "tier_too_weak");
  assert.deepEqual(established(attested).map(({ fields }) => fields.tier), ["tpm"]);
  assert.equal(await ask(attested), FROM_MACHINE);
});

Deno.test("an agent that moves from a key in a file to its machine's TPM keeps its service, without a token", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  const state_directory = attested.stack.folder.file("moving");
  const unnamed = serviceOf(origin).map(({ target }) => ({ target }));
  const before = await attested.stack.addAgent(unnamed, { state_directory });
  const [{ url }] = before.status().services;
  await before.stop();
  await attested.enroll(tpm);
  const after = await attested.stack.addAgent(unnamed, { state_directory, tpm: tpm.address });
  assert.notEqual(after.agentId, before.agentId);
  assert.ok(url !== undefined);
  assert.equal(after.status().services[0].url, url);
  assert.deepEqual(established(attested).map(({ fields }) => fields.tier), ["bound-key", "tpm"]);
});

Deno.test("a TPM that is killed in the middle of a quote comes back, and so does its machine", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  const agent = await attested.serve(tpm, serviceOf(origin));
  tpm.freeze();
  agent.reconnect();
  await eventually("the TPM has a command", () => tpm.isBusy, soonMs);
  await tpm.kill();
  await tpm.powerOn();
  await eventually("the machine proves itself again", () => established(attested).length >= 2, soonMs);
  assert.equal(await ask(attested), FROM_MACHINE);
});

Deno.test("of two machines that run one TPM's state the one that is behind is refused", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm);
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  const honest = await attested.serve(tpm, serviceOf(origin));
  await using stolen = await tpm.clone();
  // The original was switched off for the copy: it has been reset once more than what the copy was made of.
  await tpm.reset();
  honest.reconnect();
  await eventually("the machine proves itself again", () => established(attested).length >= 2, soonMs);
  await attested.start(stolen, serviceOf(origin));
  await refused(attested, "attestation_rollback");
  assert.equal(established(attested).length, 2);
});

async function refused(attested: AttestedStack, code: string): Promise<void> {
  await eventually(
    `an agent is refused with ${code}`,
    () => attested.stack.lines.some(({ fields }) => fields.code === code),
    soonMs,
  );
}

async function ask(attested: AttestedStack): Promise<string> {
  const response = await attested.stack.fetch("web");
  const text = await response.text();
  return response.status === 200 ? text : `${response.status} ${text}`;
}

async function dispose(response: Response): Promise<Response> {
  await response.body?.cancel();
  return response;
}

async function copyDirectory(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { mode: 0o700 });
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
