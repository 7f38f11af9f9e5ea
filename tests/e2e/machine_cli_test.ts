import assert from "node:assert/strict";
import { agentIdOfDigest } from "../../src/attestation/mod.ts";
import { fromHex } from "../../src/bytes/mod.ts";
import { postern } from "../cli/program.ts";
import { startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

const ek = "ab".repeat(32);
const agentId = agentIdOfDigest(fromHex(ek));

Deno.test("postern enroll-token writes a token into a new private file and nowhere else", async () => {
  await using stack = await startStack();
  await using folder = await TempDir.make("enroll-token");
  const operator = {
    POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
    POSTERN_TOKEN_FILE: stack.edge.tokenPath,
  };
  const file = folder.file("machine.token");
  const issue = (...words: string[]) => postern(["enroll-token", ...words], operator);
  const words = [
    "--out",
    file,
    "--label",
    "prod",
    "--label",
    "rack-7",
    "--ek",
    ek.toUpperCase(),
    "--ttl",
    "2h",
  ];
  const issued = await issue(...words);
  assert.equal(issued.code, 0, issued.stderr);
  assert.equal(issued.stdout, "");
  assert.match(issued.stderr, /^token \S{12} for the machine of EK (ab){32}, labels prod, rack-7: expires /);
  const token = await Deno.readTextFile(file);
  assert.match(token, /^enroll\.[\w-]{12}\.[\w-]{43}\n$/);
  assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  assert.equal(issued.stderr.includes(token.split(".")[2].trim()), false);

  const again = await issue("--out", file, "--json");
  assert.equal(JSON.parse(again.stdout).error.code, "secret_file_exists");
  assert.equal(again.code, 2);
  assert.equal(await Deno.readTextFile(file), token);
  const forced = await issue("--out", file, "--force", "--no-labels", "--json");
  const { token_id, labels, file: written } = JSON.parse(forced.stdout);
  assert.deepEqual([labels, written], [[], file]);
  const fresh = await Deno.readTextFile(file);
  assert.equal(fresh.split(".")[1], token_id);
  assert.equal(forced.stdout.includes(fresh.split(".")[2].trim()), false);

  for (
    const [wrong, code] of [
      [[], "cli_flag_value_missing"],
      [["--out", folder.file("x"), "--ek", "12"], "config_value_invalid"],
      [["--out", folder.file("x"), "--ttl", "soon"], "config_value_invalid"],
      [["--out", folder.file("x"), "--label", "a", "--no-labels"], "config_value_invalid"],
      [["--out", folder.file("x"), "--label", "A B"], "request_invalid"],
    ] as const
  ) {
    const ended = await issue(...wrong);
    assert.ok(ended.stderr.startsWith(`error[${code}]`), ended.stderr);
    assert.equal(ended.code, 2);
  }
  await assert.rejects(Deno.stat(folder.file("x")), Deno.errors.NotFound);
});

Deno.test("postern machine revokes and restores an endorsement key, and says what it does not know", async () => {
  await using stack = await startStack();
  const operator = {
    POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
    POSTERN_TOKEN_FILE: stack.edge.tokenPath,
  };
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await postern(words, operator);
    return [code, stdout || stderr.split("]")[0]];
  };
  assert.deepEqual(await run("machines"), [0, "no machine is enrolled\n"]);
  assert.deepEqual(await run("machines", "--json"), [0, '{"machines":[]}\n']);
  assert.deepEqual(await run("machine", "show", agentId), [1, "error[machine_unknown"]);
  assert.deepEqual(await run("machine", "revoke", agentId, "--reason", "r"), [1, "error[machine_unknown"]);
  assert.deepEqual(await run("machine", "revoke", ek), [2, "error[cli_flag_value_missing"]);
  assert.deepEqual(await run("machine", "revoke", "me", "--reason", "r"), [2, "error[config_value_invalid"]);
  assert.deepEqual(await run("machine", "restore", ek, "--reason", "r"), [2, "error[cli_flag_unknown"]);
  assert.deepEqual(await run("machine", "show", ek), [2, "error[cli_argument_unexpected"]);
  assert.deepEqual(await run("machine", "revoke", ek, "--reason", "stolen"), [
    0,
    `${agentId} is revoked; its channels are cut\n`,
  ]);
  assert.deepEqual(await run("machine", "revoke", ek, "--reason", "again", "--json"), [
    0,
    `{"revoked":"${agentId}","already":true}\n`,
  ]);
  assert.deepEqual(await run("machine", "restore", ek), [0, `${agentId} is admitted again\n`]);
  assert.deepEqual(await run("machine", "restore", ek), [1, "error[machine_unknown"]);
});
