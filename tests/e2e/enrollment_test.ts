import assert from "node:assert/strict";
import {
  ControlClient,
  enroll as enrollBy,
  openTpm,
  type RunningAgent,
  startAgent,
} from "../../agent/mod.ts";
import { agentDefaults, edgeDefaults, parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { startEdge } from "../../src/main.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { postern, posternHere } from "../cli/program.ts";
import { EkMaker } from "../support/ek_maker.ts";
import { type Stack, startStack } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TempDir } from "../support/temp_dir.ts";

/** Bound on what revoking a machine may take. */
const CUT_MS = 2_000;

/** An edge that trusts the maker of the TPM. */
const stackFor = (tpm: Swtpm, edge: Record<string, string> = {}) =>
  startStack({ edge: { "attestation.roots_directory": tpm.rootsDirectory, ...edge } });

const operatorOf = (stack: Stack) => ({
  POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
  POSTERN_TOKEN_FILE: stack.edge.tokenPath,
});

let tokens = 0;

async function tokenOf(stack: Stack, ...words: string[]): Promise<string> {
  const file = stack.folder.file(`enroll-${tokens++}.token`);
  const issued = await posternHere(["enroll-token", "--out", file, ...words], operatorOf(stack));
  assert.equal(issued.code, 0, issued.stderr);
  return file;
}

/** `postern enroll` on the machine of this TPM, with a state directory of its own unless one is named. */
function enroll(stack: Stack, tpm: Pick<Swtpm, "address">, token: string, ...words: string[]) {
  const directory = words.includes("--state-directory")
    ? []
    : ["--state-directory", stack.folder.file(`machine-${tokens++}`)];
  return posternHere([
    ...["enroll", "--json", "--token-file", token, "--tpm", tpm.address, ...directory],
    ...["--control", `http://127.0.0.1:${stack.port}`, ...words],
  ]);
}

/** Code of a failed `--json` run, with its exit code. */
const refusal = (
  { code, stdout }: { code: number; stdout: string },
) => [JSON.parse(stdout).error?.code, code];

async function machinesOf(stack: Stack): Promise<Record<string, unknown>[]> {
  return JSON.parse((await posternHere(["machines", "--json"], operatorOf(stack))).stdout).machines;
}

/** Everything in a folder and below, as text. */
function contentsOf(path: string): string {
  return [...Deno.readDirSync(path)].map(({ name, isDirectory }) =>
    isDirectory ? contentsOf(`${path}/${name}`) : Deno.readTextFileSync(`${path}/${name}`)
  ).join("\n");
}

/** What comes in time, or that it did not. */
async function withinCut(outcome: Promise<string>): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((resolve) => timer = setTimeout(() => resolve("too late"), CUT_MS));
  try {
    return await Promise.race([outcome, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function ended(agent: RunningAgent): Promise<string> {
  return codeOf(await agent.done);
}

Deno.test("postern enroll lets a machine in by its TPM, whichever key its maker certified", async () => {
  await using tpm = await Swtpm.start({ name: "all keys", eks: ["rsa2048", "p256", "p384"] });
  await using stack = await stackFor(tpm);
  const names = new Set<string>();
  for (const ek of ["rsa2048", "p256", "p384"]) {
    const token = await tokenOf(stack, "--label", ek, "--label", "prod");
    const { code, stdout, stderr } = await enroll(stack, tpm, token, "--tpm-ek", ek);
    assert.equal(code, 0, stdout + stderr);
    const facts = JSON.parse(stdout);
    assert.deepEqual([facts.labels, facts.tier, facts.ek], [["prod", ek].sort(), "tpm", ek]);
    names.add(facts.agent_id);
  }
  const machines = await machinesOf(stack);
  assert.deepEqual(machines.map(({ agent_id }) => agent_id), [...names].sort(), "one key is one agent");
  for (const machine of machines) assert.equal(machine.state, "active");
  const listed = await postern(["machines"], operatorOf(stack));
  assert.match(
    listed.stdout,
    /^AGENT +STATE +ENROLLED +LAST QUOTE +LABELS +REVOKED FOR\nagent-\S+ +active +\S+Z +-/,
  );
  const shown = await postern(["machine", "show", String(machines[0].agent_id)], operatorOf(stack));
  assert.match(shown.stdout, /^TPM +id:00001014 swtpm, made with firmware id:20191023$/m);
  assert.match(shown.stdout, /^certificate +serial [0-9a-f]+, sha256 [0-9a-f]{64}, until 9999-12-31/m);
});

Deno.test("a machine keeps its name through restarts with nothing secret on its disk, and another TPM is not it", async () => {
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  await using tpm = await Swtpm.start();
  await using other = await Swtpm.start({ name: "second" });
  await using stack = await stackFor(tpm);
  const directory = stack.folder.file("machine");
  const token = await tokenOf(stack);
  const secret = (await Deno.readTextFile(token)).trim().split(".")[2];
  const enrolled = await enroll(stack, tpm, token, "--state-directory", directory);
  const { agent_id } = JSON.parse(enrolled.stdout);
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["machine.json"]);
  assert.equal(contentsOf(directory).includes(secret), false);

  const services = [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }];
  const settings = { tpm: tpm.address, state_directory: directory };
  for (let run = 0; run < 2; run++) {
    const agent = await stack.addAgent(services, settings);
    assert.equal(agent.agentId, agent_id);
    assert.equal(await (await stack.fetch("web")).text(), "hello");
    const [session] = stack.plane.sessions.all;
    assert.deepEqual([session.agentId, session.claims.tier], [agent_id, "tpm"]);
    await agent.stop();
    await tpm.reset();
  }
  assert.equal(/"(d|seed|private)"|PRIVATE KEY/.test(contentsOf(directory)), false);
  assert.equal([...Deno.readDirSync(directory)].some(({ name }) => name === "identity.key"), false);

  const start = (state: string) =>
    startAgent(
      agentDefaults({
        control: `http://127.0.0.1:${stack.port}`,
        admin_listen: "off",
        state_directory: state,
        tpm: other.address,
      }, services),
      { log: noLog },
    );
  await assert.rejects(start(directory), { code: "machine_replaced" });
  const again = await enroll(stack, other, await tokenOf(stack), "--state-directory", directory);
  assert.deepEqual(refusal(again), ["machine_replaced", 4]);
  await Deno.remove(`${directory}/machine.json`);
  assert.equal(await ended(await start(directory)), "machine_not_enrolled");
});

Deno.test("one token is one machine: used, foreign, wrong and late ones are refused, each as it should be", async () => {
  await using tpm = await Swtpm.start();
  await using other = await Swtpm.start({ name: "second" });
  await using stack = await stackFor(tpm);
  const token = await tokenOf(stack, "--label", "prod");
  const first = await enroll(stack, tpm, token);
  assert.equal(first.code, 0, first.stdout);
  assert.deepEqual(refusal(await enroll(stack, other, token)), ["enrollment_token_refused", 3]);
  assert.equal((await enroll(stack, tpm, token)).stdout, first.stdout, "its own machine may come again");
  const { ek_sha256, agent_id } = JSON.parse(first.stdout);
  const bound = await tokenOf(stack, "--ek", ek_sha256);
  assert.deepEqual(refusal(await enroll(stack, other, bound)), ["enrollment_token_foreign", 3]);
  assert.deepEqual(refusal(await enroll(stack, tpm, stack.edge.tokenPath)), [
    "enrollment_token_malformed",
    3,
  ]);
  const wrong = stack.folder.file("wrong.token");
  const [kind, id] = (await Deno.readTextFile(token)).split(".");
  await Deno.writeTextFile(wrong, `${kind}.${id}.${"A".repeat(43)}`, { mode: 0o600 });
  assert.deepEqual(refusal(await enroll(stack, tpm, wrong)), ["enrollment_token_refused", 3]);
  const audit = await postern(["audit", "--json"], operatorOf(stack));
  const lines = audit.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const refused = lines.filter(({ outcome }) => outcome === "enrollment_token_refused");
  assert.deepEqual(refused.map(({ detail }) => detail.reason), [`used by ${agent_id}`, "wrong_secret"]);
  const done = lines.find(({ action, outcome }) => action === "machine.enroll" && outcome === "ok");
  assert.deepEqual([done.subject, done.detail.ek_sha256, done.detail.token_id], [agent_id, ek_sha256, id]);
});

Deno.test("postern enroll at once with two tokens is one machine; several machines with one token are one machine", async () => {
  await using tpm = await Swtpm.start();
  await using second = await Swtpm.start({ name: "second" });
  await using third = await Swtpm.start({ name: "third" });
  await using stack = await stackFor(tpm);
  const [a, b] = [await tokenOf(stack), await tokenOf(stack)];
  // Without a resource manager only one program at a time may have a TPM: the other one waits.
  const shared = { address: tpm.ownAddress };
  const both = await Promise.all([enroll(stack, shared, a), enroll(stack, shared, b)]);
  for (const { code, stdout } of both) assert.equal(code, 0, stdout);
  assert.equal((await machinesOf(stack)).length, 1);
  const token = await tokenOf(stack);
  const raced = await Promise.all([second, third].map((each) => enroll(stack, each, token)));
  assert.deepEqual(raced.map(({ code }) => code).sort(), [0, 3]);
  assert.equal((await machinesOf(stack)).length, 2);
});

Deno.test("a TPM of a maker that the operator does not trust is refused, and nothing is spent", async () => {
  await using tpm = await Swtpm.start();
  await using maker = await EkMaker.start();
  await maker.make("strange", ["p384"]);
  await using stack = await startStack({ edge: { "attestation.roots_directory": maker.rootsDirectory } });
  const token = await tokenOf(stack);
  const [code, exit] = refusal(await enroll(stack, tpm, token));
  assert.match(code, /^ek_(chain_(incomplete|untrusted)|signature_invalid)$/);
  assert.equal(exit, 4);
  await using nobody = await startStack();
  assert.deepEqual(refusal(await enroll(nobody, tpm, await tokenOf(nobody))), ["ek_roots_missing", 4]);
  assert.deepEqual(await machinesOf(stack), []);
});

Deno.test("an enrollment survives a crash of control, and of the machine, at every step", async () => {
  await using tpm = await Swtpm.start();
  await using folder = await TempDir.make("enroll-crash");
  const edge = () =>
    startEdge(
      edgeDefaults({
        listen: "127.0.0.1:0",
        admin_listen: "off",
        state_directory: folder.file("edge"),
        "attestation.roots_directory": tpm.rootsDirectory,
      }),
      { log: noLog },
    );
  const opened = await openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom });
  let running = await edge();
  const clients: ControlClient[] = [];
  const client = () => {
    const fresh = new ControlClient({
      url: `http://127.0.0.1:${running.port}`,
      clock: systemClock,
      token: () => Deno.readTextFile(running.tokenPath).then((text) => text.trim()),
    });
    clients.push(fresh);
    return fresh;
  };
  const restart = async () => {
    await running.stop();
    running = await edge();
  };
  const never = new AbortController().signal;
  const lost = new PosternError("control_unreachable");
  try {
    const { token } = await client().issueEnrollmentToken({ labels: ["prod"] }, never);
    /** Control as one run of the machine sees it: something breaks behind a step. */
    const breaking = (step: "begin" | "finish" | undefined): Parameters<typeof enrollBy>[1] => ({
      async beginEnrollment(request, signal) {
        const begun = await client().beginEnrollment(request, signal);
        await restart();
        if (step === "begin") throw lost;
        return begun;
      },
      async finishEnrollment(request, signal) {
        const finished = await client().finishEnrollment(request, signal);
        await restart();
        if (step === "finish") throw lost;
        await assert.rejects(client().finishEnrollment(request, signal), { code: "enrollment_unknown" });
        return finished;
      },
    });
    await assert.rejects(enrollBy(opened, breaking("begin"), token, never), { code: "control_unreachable" });
    assert.deepEqual((await client().machines(undefined, never)).machines, [], "nothing is half written");
    await assert.rejects(enrollBy(opened, breaking("finish"), token, never), { code: "control_unreachable" });
    const enrolled = { agentId: opened.agentId, labels: ["prod"] };
    assert.deepEqual(await enrollBy(opened, breaking(undefined), token, never), enrolled);
    const { machines } = await client().machines(undefined, never);
    assert.deepEqual(machines.map(({ agent_id, labels }) => [agent_id, labels]), [[opened.agentId, [
      "prod",
    ]]]);
  } finally {
    for (const each of clients) each.close();
    await running.stop();
  }
});

for (const workers of ["1", "3"]) {
  Deno.test(`a revoked machine is cut within two seconds and stays out until it is restored (${workers} workers)`, async () => {
    await using origin = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response("hello"),
    );
    await using tpm = await Swtpm.start();
    await using stack = await stackFor(tpm, { workers });
    const enrolled = await enroll(stack, tpm, await tokenOf(stack));
    const { agent_id } = JSON.parse(enrolled.stdout);
    const services = [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }];
    const settings = { tpm: tpm.address, state_directory: stack.folder.file("agent") };
    const agent = await stack.addAgent(services, settings);
    assert.equal(await (await stack.fetch("web")).text(), "hello");
    const revoke = (...words: string[]) =>
      postern(["machine", "revoke", agent_id, ...words], operatorOf(stack));
    const revoked = await revoke("--reason", "stolen");
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.equal(await withinCut(ended(agent)), "machine_revoked");

    const publish = () =>
      postern([
        ...["http", String(origin.addr.port), "--name", "web", "--plain", "--tpm", tpm.address],
        ...["--control", `http://127.0.0.1:${stack.port}`, "--admin-listen", "off"],
        ...["--state-directory", stack.folder.file("agent")],
      ]);
    const kept = await publish();
    assert.equal(kept.code, 4, kept.stderr);
    assert.match(kept.stderr, /error\[machine_revoked\]/);
    assert.deepEqual(refusal(await enroll(stack, tpm, await tokenOf(stack))), ["machine_revoked", 4]);
    const restored = await postern(["machine", "restore", agent_id], operatorOf(stack));
    assert.equal(restored.code, 0, restored.stderr);
    const back = await stack.addAgent(services, settings);
    assert.equal(back.agentId, agent_id);
    assert.equal(await (await stack.fetch("web")).text(), "hello");
  });
}

Deno.test("a machine that another edge with the same state revokes is cut within two seconds", async () => {
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  await using tpm = await Swtpm.start();
  await using stack = await stackFor(tpm);
  const { agent_id } = JSON.parse((await enroll(stack, tpm, await tokenOf(stack))).stdout);
  const agent = await stack.addAgent([{ name: "web", target: `127.0.0.1:${origin.addr.port}` }], {
    tpm: tpm.address,
  });
  const other = await startEdge(
    edgeDefaults({
      listen: "127.0.0.1:0",
      admin_listen: "off",
      state_directory: stack.folder.file("edge"),
      take_over: "true",
    }),
    { log: noLog },
  );
  try {
    const operator = { ...operatorOf(stack), POSTERN_CONTROL: `http://127.0.0.1:${other.port}` };
    const revoked = await postern(["machine", "revoke", agent_id, "--reason", "stolen"], operator);
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.equal(await withinCut(ended(agent)), "machine_revoked");
  } finally {
    await other.stop();
  }
});
