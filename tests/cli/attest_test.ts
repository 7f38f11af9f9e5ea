import assert from "node:assert/strict";
import { attestLines } from "../../cli/attest/render.ts";
import { terminalBeside } from "../../cli/tpm_terminal.ts";
import { startStack } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";
import { postern } from "./program.ts";

Deno.test("postern attest --dry-run shows keys and PCRs and verifies a quote", async () => {
  await using tpm = await Swtpm.start();
  await tpm.extend(7);
  const { code, stdout, stderr } = await postern(["attest", "--dry-run", "--tpm", tpm.address]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^agent id\s+agent-[a-z2-7]{26}$/m);
  assert.match(stdout, /^EK\s+p384, SHA-256 [0-9a-f]{64}$/m);
  assert.match(stdout, /^EK certificate\s+CN=/m);
  assert.match(stdout, /^\s+for id:00001014 swtpm /m);
  assert.match(stdout, /^AK\s+name 000b[0-9a-f]{64}$/m);
  assert.match(stdout, new RegExp(`^ +7  ${await tpm.pcr(7)}$`, "m"));
  assert.match(stdout, /^ +8 {2}0{64} {2}untouched$/m);
  assert.match(stdout, /^quote\s+holds \(/m);
  assert.match(stdout, /^control\s+not asked: an operator's token is needed/m);
});

Deno.test("postern attest --json is one object, and names the same machine after a reset, by another key if asked", async () => {
  await using tpm = await Swtpm.start();
  const ask = async (...words: string[]) => {
    const { code, stdout } = await postern(["attest", "--dry-run", "--json", ...words], {
      POSTERN_TPM: tpm.tcpAddress,
    });
    assert.equal(code, 0, stdout);
    return JSON.parse(stdout);
  };
  const first = await ask();
  assert.equal(first.code, null);
  assert.equal(first.quote.verdict, "holds");
  assert.deepEqual(first.control.asked, false);
  assert.equal(Object.keys(first.pcrs.values).length, 24);
  assert.deepEqual(Object.keys(first.banks), ["sha256"]);
  await tpm.reset();
  const again = await ask();
  assert.equal(again.agent_id, first.agent_id);
  assert.equal(again.ak.name, first.ak.name);
  assert.equal(again.quote.reset_count, first.quote.reset_count + 1);
  assert.notEqual((await ask("--tpm-ek", "rsa2048")).agent_id, first.agent_id);
});

Deno.test("postern attest tells what control knows of the machine", async () => {
  await using tpm = await Swtpm.start();
  await using stack = await startStack({});
  const { code, stdout } = await postern([
    "attest",
    "--dry-run",
    "--tpm",
    tpm.address,
    "--control",
    `http://127.0.0.1:${stack.edge.port}`,
    "--token-file",
    stack.folder.file("edge/management.token"),
  ]);
  assert.equal(code, 0);
  assert.match(stdout, /^control\s+this machine is not enrolled/m);
});

Deno.test("postern attest says what is missing", async () => {
  const run = async (...words: string[]) => {
    const { code, stderr } = await postern(["attest", ...words]);
    return [code, /error\[(\w+)\]/.exec(stderr)?.[1]];
  };
  assert.deepEqual(await run("--tpm", "unix:/run/tpm.sock"), [2, "cli_flag_value_missing"]);
  assert.deepEqual(await run("--dry-run"), [2, "tpm_not_set"]);
  assert.deepEqual(await run("--dry-run", "--tpm", "unix:/nowhere/tpm.sock"), [1, "tpm_unavailable"]);
  assert.deepEqual(await run("--dry-run", "--tpm", "tpmrm0"), [2, "config_value_invalid"]);
});

Deno.test("postern config agent shows the TPM as it is written", async () => {
  for (const tpm of ["tcp:127.0.0.1:2321", "unix:/run/tpm.sock", "/run/tpmrm0", "stdio", "off"]) {
    const { stdout } = await postern(["config", "agent"], { POSTERN_TPM: tpm, POSTERN_TPM_EK: "p256" });
    assert.match(stdout, new RegExp(`^tpm\\s+${tpm}\\s`, "m"));
    assert.match(stdout, /^tpm_ek\s+p256\s/m);
  }
});

Deno.test("attestLines() tells a refused quote and a certificate that names no TPM", () => {
  const lines = attestLines({
    tpm: "stdio",
    manufacturer: "IBM",
    model: "",
    firmware_version: "0000000000000001",
    agent_id: "agent-a",
    ek: {
      template: "p256",
      sha256: "00",
      certificate: {
        sha256: "11",
        serial: "1",
        subject: "",
        issuer: "CN=maker",
        not_before: "2026-01-01T00:00:00.000Z",
        not_after: "9999-12-31T23:59:59.000Z",
        manufacturer: null,
        model: null,
        version: null,
      },
      issuers: 2,
    },
    ak: { name: "000b" },
    banks: { sha256: [0] },
    pcrs: { bank: "sha256", values: { 0: "ff" } },
    quote: { verdict: "refused", code: "pcr_digest_wrong", message: "Cannot accept quote" },
  }, "not asked").join("\n");
  assert.match(lines, /refused: pcr_digest_wrong: Cannot accept quote/);
  assert.match(lines, /does not say which TPM/);
  assert.match(lines, /with 2 more in the TPM/);
  assert.match(lines, /\(no subject\)/);
});

Deno.test("terminalBeside() keeps standard output free for the TPM that is there", () => {
  const said: string[] = [];
  const terminal = {
    out: (text: string) => said.push(`out ${text}`),
    err: (text: string) => said.push(`err ${text}`),
    live: false,
    color: false,
    columns: () => 80,
  };
  terminalBeside({ kind: "stdio" }, terminal).out("a");
  terminalBeside({ kind: "device", path: "/dev/tpmrm0" }, terminal).out("b");
  terminalBeside(null, terminal).out("c");
  assert.deepEqual(said, ["err a", "out b", "out c"]);
});

Deno.test("postern diag looks at the TPM that is set", async () => {
  await using tpm = await Swtpm.start();
  const rows = async (...words: string[]) => {
    const { stdout } = await postern(["diag", "--json", "--tpm", ...words]);
    const checks: { name: string; result: string; detail: string }[] = JSON.parse(stdout).checks;
    return checks.filter(({ name }) => name.startsWith("tpm"));
  };
  const found = await rows(tpm.address);
  assert.deepEqual(found.map(({ name, result }) => [name, result]), [
    ["tpm", "PASS"],
    ["tpm_ek_certificate", "PASS"],
    ["tpm_quote", "PASS"],
    ["tpm_slots", "PASS"],
  ]);
  assert.match(found[3].detail, /^0 objects are loaded, 3 fit$/);
  const without = await rows(tpm.address, "--tpm-ek", "p256");
  assert.deepEqual(without.map(({ result }) => result), ["PASS", "FAIL", "SKIP", "SKIP"]);
  assert.match(without[1].detail, /^tpm_ek_certificate_missing: /);
  const gone = await rows("unix:/nowhere/tpm.sock");
  assert.deepEqual(gone.map(({ result }) => result), ["FAIL", "SKIP", "SKIP", "SKIP"]);
});
