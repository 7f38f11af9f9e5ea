/** PCR policies and tiers as an operator meets them: the real program, a real software TPM, an edge and agents. */
import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import { postern } from "../cli/program.ts";
import { AttestedStack } from "../support/attested_stack.ts";
import { eventually, type Settings } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";

/** Longest wait for something that a log line tells. */
const soonMs = 60_000;

async function policy(attested: AttestedStack, ...words: string[]) {
  const { code, stdout, stderr } = await postern(["policy", ...words], {
    POSTERN_CONTROL: attested.controlUrl,
    POSTERN_TOKEN_FILE: attested.stack.edge.tokenPath,
  });
  return { code, stdout, stderr, json: words.includes("--json") ? JSON.parse(stdout) : undefined };
}

/** The same, which has to succeed. */
async function done(attested: AttestedStack, ...words: string[]) {
  const answer = await policy(attested, ...words);
  assert.equal(answer.code, 0, answer.stdout + answer.stderr);
  return answer;
}

function startOrigin(): Deno.HttpServer<Deno.NetAddr> & Disposable {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("served"));
  return Object.assign(server, { [Symbol.dispose]: () => void server.shutdown() });
}

const services = (origin: Deno.HttpServer<Deno.NetAddr>, more: Settings = {}): Settings[] => [
  { name: "web", target: `127.0.0.1:${origin.addr.port}`, ...more },
];

const refused = (attested: AttestedStack, code: string) =>
  eventually(
    `an agent is refused with ${code}`,
    () => attested.stack.lines.some(({ fields }) => fields.code === code),
    soonMs,
  );

const established = (attested: AttestedStack) =>
  attested.stack.lines.filter(({ event }) => event === "channel established");

Deno.test("postern policy: learn, diff and apply; a changed PCR is refused until it was learnt", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm, { labels: ["rack"] });
  using origin = startOrigin();
  const agentId = await attested.enroll(tpm);
  const empty = await policy(attested, "learn", "--label", "rack", "--name", "racks", "--json");
  assert.deepEqual([empty.code, empty.json.error.code], [1, "policy_values_missing"]);
  const first = await attested.serve(tpm, services(origin));
  await first.stop();

  const file = attested.stack.folder.file("racks.yaml");
  const learnt = await done(attested, "learn", "--label", "rack", "--name", "racks", "--out", file);
  assert.match(learnt.stderr, /learnt racks version 1 from 1 machine\n/);
  assert.match(
    await Deno.readTextFile(file),
    new RegExp(`"4": # boot loader and kernel\\n    - "${await tpm.pcr(4)}"`),
  );
  const again = await policy(attested, "learn", "--label", "rack", "--name", "racks", "--out", file);
  assert.deepEqual([again.code, /--force/.test(again.stderr)], [2, true]);

  const diff = await done(attested, "diff", file);
  assert.match(diff.stdout, new RegExp(`passes  ${agentId}  baseline@1 -> racks@1`));
  assert.match(diff.stdout, /racks@1 is not applied/);
  assert.match((await done(attested, "list")).stderr, /no policy was applied/);
  assert.match((await done(attested, "apply", file)).stdout, /applied racks@1/);
  assert.equal((await policy(attested, "apply", file, "--json")).json.error.code, "policy_version_conflict");
  assert.equal((await done(attested, "list")).stdout, "racks@1  1 machine  sha256:0,1,2,3,4,5,6,7  rack\n");
  assert.match((await done(attested, "show", "racks")).stdout, /^name: "racks"\nversion: 1\n/);
  const second = await attested.serve(tpm, services(origin));
  assert.equal(established(attested).length, 2);
  await second.stop();

  await tpm.extend(4);
  await attested.start(tpm, services(origin));
  await refused(attested, "pcr_value_refused");
  await done(attested, "learn", "--label", "rack", "--name", "racks", "--out", file, "--force");
  const changed = await done(attested, "diff", file);
  assert.match(changed.stdout, /^PCR 4\n {2}- [0-9a-f]{64}\n {2}\+ [0-9a-f]{64}\n\n/);
  assert.match((await done(attested, "apply", file, "--overlap", "24h")).stdout, /applied racks@2/);
  await attested.serve(tpm, services(origin));
  assert.equal(established(attested).length, 3);
  const { policies: [listed] } = (await done(attested, "list", "--json")).json;
  assert.deepEqual([listed.version, typeof listed.overlap_until], [2, "string"]);
  const shown = (await done(attested, "show", "racks", "--version", "1", "--json")).json;
  assert.deepEqual([shown.policy.version, shown.versions.length], [1, 2]);
});

Deno.test("postern policy refuses what an action does not take, with the code that says so", async () => {
  const wrong: [words: string[], code: string][] = [
    [["learn", "--name", "x"], "cli_flag_value_missing"],
    [["learn", "--label", "a"], "cli_flag_value_missing"],
    [["learn", "--label", "a", "--agent", "b", "--name", "x"], "cli_flag_value_missing"],
    [["learn", "--agent", "b", "--name", "x"], "config_value_invalid"],
    [["learn", "--label", "a", "--name", "x", "--pcrs", "0,24"], "config_value_invalid"],
    [["diff"], "cli_argument_missing"],
    [["diff", "f", "--overlap", "1h"], "cli_flag_unknown"],
    [["apply", "f", "--overlap", "5"], "config_value_invalid"],
    [["apply", "/none"], "config_file_unreadable"],
    [["list", "x"], "cli_argument_unexpected"],
    [["show"], "cli_argument_missing"],
    [["show", "x", "--version", "0"], "config_value_invalid"],
    [["forget"], "cli_argument_unexpected"],
  ];
  for (const [words, code] of wrong) {
    const { stdout } = await postern(["policy", ...words, "--json"]);
    assert.equal(JSON.parse(stdout).error.code, code, words.join(" "));
  }
});

for (const workers of ["1", "3"]) {
  Deno.test(`a service that demands tpm is cut from agents without one, until its owner takes that back (${workers} workers)`, async () => {
    await using tpm = await Swtpm.start();
    await using attested = await AttestedStack.start(tpm, { edge: { workers } });
    using origin = startOrigin();
    const owner = { token_file: attested.stack.edge.tokenPath, token_renewal: "false" };
    const weak = await attested.stack.addAgent(services(origin), owner);
    await attested.enroll(tpm);
    await attested.serve(tpm, services(origin, { require_tier: "tpm" }));
    assert.equal(codeOf(await weak.done), "tier_too_weak");
    assert.equal(await (await attested.stack.fetch("web")).text(), "served");
    const token = (await Deno.readTextFile(attested.stack.edge.tokenPath)).trim();
    const tunnels = await fetch(`${attested.controlUrl}/tunnels/list`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const [{ tiers, require_tier }] = (await tunnels.json()).tunnels;
    assert.deepEqual([tiers, require_tier], [["tpm"], "tpm"]);
    const later = await attested.start(undefined, services(origin));
    assert.equal(codeOf(await later.done), "tier_too_weak");
    await attested.stack.addAgent(services(origin, { require_tier: "bound-key" }), owner);
  });
}
