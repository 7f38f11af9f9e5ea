import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { postern } from "../cli/program.ts";
import { startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

Deno.test("postern audit shows, exports and verifies what control decided, and finds whatever was changed", async () => {
  await using stack = await startStack({});
  await using folder = await TempDir.make("audit");
  const env = {
    POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
    POSTERN_TOKEN_FILE: stack.edge.tokenPath,
  };
  const audit = (...words: string[]) => postern(["audit", ...words], env);
  assert.equal((await postern(["token", "--owner", "alice", "--out", folder.file("token")], env)).code, 0);
  await stack.addAgent([{ name: "shop", target: "127.0.0.1:9" }]);

  const shown = await audit();
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /tunnel\.create/);
  assert.match(shown.stdout, /agent\.attest +\S+ +ok\n$/);
  const newest = JSON.parse((await audit("--lines", "1", "--json")).stdout);
  assert.equal(newest.action, "agent.attest");

  const file = folder.file("audit.jsonl");
  assert.equal((await audit("export", "--out", file)).code, 0);
  const exported = (await Deno.readTextFile(file)).trimEnd().split("\n");
  assert.equal(exported.length, newest.id);
  assert.ok((await audit("export", "--out", file)).stderr.includes("audit_export_exists"));
  assert.equal((await audit("export")).stdout, `${exported.join("\n")}\n`);

  const verified = await audit("verify");
  assert.equal(verified.code, 0, verified.stderr);
  const [, noted] = /^newest (\S+)$/m.exec(verified.stdout)!;
  assert.equal(noted, `${newest.id}:${newest.hash}`);
  assert.equal((await audit("verify", "--in", file, "--since", noted)).stdout, verified.stdout);
  const { head, lines } = JSON.parse((await audit("verify", "--json")).stdout);
  assert.deepEqual([lines, head], [newest.id, newest.hash]);

  // Somebody who can write to the database.
  using database = new DatabaseSync(`${stack.edge.tokenPath.replace(/[^/]+$/, "")}postern.db`);
  const broken = async (sql: string, undo: string, state: RegExp) => {
    database.exec(sql);
    const { code, stderr } = await audit("verify");
    assert.equal(code, 1);
    assert.ok(stderr.includes("audit_broken"), stderr);
    assert.match(stderr, state);
    database.exec(undo);
  };
  const last = `(SELECT max(id) FROM audit)`;
  await broken(
    `UPDATE audit SET actor = actor || 'x' WHERE id = 1`,
    `UPDATE audit SET actor = substr(actor, 1, length(actor) - 1) WHERE id = 1`,
    /line 1 is not as it was written/,
  );
  database.exec(`CREATE TABLE kept AS SELECT * FROM audit`);
  const restore = `DELETE FROM audit; INSERT INTO audit SELECT * FROM kept`;
  await broken(`DELETE FROM audit WHERE id = 2`, restore, /before line 3 something is missing/);
  await broken(`DELETE FROM audit WHERE id = ${last}`, restore, /what follows are missing/);
  assert.equal((await audit("verify")).code, 0);

  const other = `${newest.id}:${"0".repeat(64)}`;
  assert.match((await audit("verify", "--since", other)).stderr, /is not the one that was noted/);
  for (
    const [words, code, exit] of [
      [["verify", "--since", "1"], "config_value_invalid", 2],
      [["--lines", "0"], "config_value_invalid", 2],
      [["verify", "--out", "x"], "cli_flag_unknown", 2],
      [["verify", "--in", folder.file("none")], "audit_export_malformed", 2],
      [["verify", "--in", stack.edge.tokenPath], "audit_export_malformed", 2],
    ] as const
  ) {
    const ended = await audit(...words);
    assert.deepEqual([ended.code, ended.stderr.includes(code)], [exit, true], `${words}: ${ended.stderr}`);
  }
});

Deno.test("the audit log is for operators: role_insufficient, token_missing", async () => {
  await using stack = await startStack({});
  await using folder = await TempDir.make("audit");
  const env = { POSTERN_CONTROL: `http://127.0.0.1:${stack.port}` };
  const issued = await postern(["token", "--owner", "alice", "--out", folder.file("alice.token")], {
    ...env,
    POSTERN_TOKEN_FILE: stack.edge.tokenPath,
  });
  assert.equal(issued.code, 0, issued.stderr);
  const refused = await postern(["audit"], { ...env, POSTERN_TOKEN_FILE: folder.file("alice.token") });
  assert.equal(refused.code, 3, refused.stderr);
  const response = await fetch(`http://127.0.0.1:${stack.port}/v1/audit`, {
    headers: { Host: "control.localhost" },
  });
  assert.equal(response.status, 401);
  await response.body?.cancel();
});
