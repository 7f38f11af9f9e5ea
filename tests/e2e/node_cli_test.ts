import assert from "node:assert/strict";
import { postern } from "../cli/program.ts";
import { startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

Deno.test("a node enrolls with the token of postern enroll-token; postern ca shows, rotates and revokes", async () => {
  await using stack = await startStack();
  await using folder = await TempDir.make("node");
  const operator = {
    POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
    POSTERN_TOKEN_FILE: stack.edge.tokenPath,
  };
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await postern(words, operator);
    return { code, out: stdout, error: stderr.split("]")[0] };
  };
  const file = folder.file("c1.token");
  const issued = await postern(
    ["enroll-token", "--role", "connector", "--id", "c1", "--out", file],
    operator,
  );
  assert.match(issued.stderr, /^token \S{12} for connector c1: expires /);
  for (
    const words of [["--role", "owner", "--id", "x"], ["--role", "edge"], [
      "--role",
      "edge",
      "--id",
      "x",
      "--ek",
      "ab",
    ]]
  ) {
    assert.equal(
      (await run("enroll-token", "--out", folder.file("x"), ...words)).error,
      "error[config_value_invalid",
    );
  }
  const node = { POSTERN_CONTROL: operator.POSTERN_CONTROL, POSTERN_STATE_DIRECTORY: folder.file("node") };
  const enrolled = await postern(["enroll", "--token-file", file, "--json"], node);
  assert.equal(enrolled.code, 0, enrolled.stderr);
  const facts = JSON.parse(enrolled.stdout);
  assert.deepEqual([facts.role, facts.id, facts.key], ["connector", "c1", "file"]);
  assert.equal((await Deno.stat(facts.file)).mode! & 0o777, 0o600);
  const again = await postern(["enroll", "--token-file", file], node);
  assert.ok(again.stderr.startsWith("error[identity_exists]"), again.stderr);
  const elsewhere = await postern(["enroll", "--token-file", file], {
    ...node,
    POSTERN_STATE_DIRECTORY: folder.file("other"),
  });
  assert.ok(elsewhere.stderr.startsWith("error[enrollment_token_refused]"), elsewhere.stderr);

  const wrappedTo = { ...node, POSTERN_STATE_DIRECTORY: folder.file("wrapped") };
  const keygen = await postern(["enroll", "--keygen"], wrappedTo);
  assert.match(keygen.stdout, /^host\.[A-Za-z0-9_-]{48}\n$/);
  const hostKey = keygen.stdout.trim();
  const wrapped = folder.file("c2.token");
  const asked = ["enroll-token", "--role", "connector", "--id", "c2", "--out", wrapped, "--wrap-to"];
  assert.equal((await run(...asked, `${hostKey.slice(0, -1)}!`)).error, "error[host_key_malformed");
  assert.match((await run(...asked, hostKey)).error, /which only the host of that key can open/);
  assert.match(await Deno.readTextFile(wrapped), /^wrapped\./);
  const stranger = await postern(["enroll", "--token-file", wrapped], node);
  assert.ok(stranger.stderr.startsWith("error[host_key_missing]"), stranger.stderr);
  const opened = await postern(["enroll", "--token-file", wrapped], wrappedTo);
  assert.equal(opened.code, 0, opened.stderr);

  const shown = JSON.parse((await run("ca", "show", "--json")).out);
  assert.deepEqual([shown.bundle_version, shown.nodes, shown.root_key_here], [1, 2, true]);
  assert.match(
    (await run("ca", "show")).out,
    new RegExp(`issuing   ${shown.issuing[0].sha256}  until .*  issues here\n`),
  );
  assert.equal((await run("ca", "rotate")).error, "error[cli_flag_value_missing");
  assert.equal((await run("ca", "show", "--plan")).error, "error[cli_flag_unknown");
  assert.match(
    (await run("ca", "rotate", "--plan")).out,
    /3\. retire {3}the old one, once all of its 2 nodes/,
  );
  // The root's key is taken away; a request goes to where it is, and a certificate comes back.
  const ca = `${stack.edge.tokenPath.replace(/\/[^/]*$/, "")}/ca`;
  const rootName = `root-${shown.roots[0].sha256.slice(0, 16)}`;
  for (const ending of ["key", "pem"]) {
    await Deno.copyFile(`${ca}/${rootName}.${ending}`, folder.file(`root.${ending}`));
  }
  await Deno.remove(`${ca}/${rootName}.key`);
  assert.equal((await run("ca", "rotate", "--apply")).error, "error[ca_root_offline");
  assert.match((await run("ca", "rotate", "--plan")).out, /postern ca import --certificate issuing\.pem/);
  const [csr, pem] = [folder.file("issuing.csr"), folder.file("issuing.pem")];
  assert.match((await run("ca", "request", "--out", csr)).out, /^request in /);
  assert.equal((await run("ca", "request", "--out", csr)).error, "error[secret_file_exists");
  const sign = (key: string) =>
    run(
      "ca",
      "sign",
      "--request",
      csr,
      "--root-key-file",
      key,
      "--root-cert-file",
      folder.file("root.pem"),
      "--out",
      pem,
    );
  assert.equal((await run("ca", "sign", "--request", csr)).error, "error[cli_flag_value_missing");
  assert.equal((await sign(folder.file("root.pem"))).error, "error[ca_state_unusable");
  assert.match((await sign(folder.file("root.key"))).out, /^issuing CA [0-9a-f]{64} for localhost until /);
  assert.equal((await run("ca", "import", "--certificate", csr)).error, "error[peer_certificate_malformed");
  assert.match(
    (await run("ca", "import", "--certificate", pem)).out,
    /rotation of the issuing by operator: published/,
  );
  assert.match((await run("ca", "rotate", "--apply")).out, /rotation of the issuing by operator: published/);
  assert.match((await run("ca", "rotate", "--plan")).out, /^A rotation is under way/);

  assert.equal((await run("nodes", "allow", "--connector", "c1")).error, "error[cli_flag_value_missing");
  assert.equal((await run("nodes", "rules", "--connector", "c1")).error, "error[cli_flag_unknown");
  const rule = ["--connector", "c*", "--tunneler", "label=office"];
  assert.equal(
    (await run("nodes", "allow", ...rule)).out,
    "tunneler label=office to connector c*: allowed\n",
  );
  assert.match(
    (await run("nodes", "rules")).out,
    /^tunneler label=office to connector c\* {2}by operator at 20\S+\n$/,
  );
  assert.deepEqual(JSON.parse((await run("nodes", "disallow", ...rule, "--json")).out).changed, true);

  const value = `spiffe://${facts.trust_domain}/connector/c1`;
  assert.equal((await run("ca", "revoke", "--node", value)).error, "error[cli_flag_value_missing");
  assert.equal((await run("ca", "revoke", "--reason", "x")).error, "error[cli_flag_value_missing");
  const foreign = await run("ca", "revoke", "--node", "spiffe://other.example/connector/c1", "--reason", "x");
  assert.equal(foreign.error, "error[request_invalid");
  const soft = await run("ca", "revoke", "--node", value, "--reason", "x", "--severity", "soft");
  assert.equal(soft.error, "error[config_value_invalid");
  assert.equal(
    (await run("ca", "revoke", "--node", value, "--reason", "lost")).out,
    `node ${value} is revoked\n`,
  );
});
