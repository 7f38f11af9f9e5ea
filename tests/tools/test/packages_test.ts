import assert from "node:assert/strict";
import { aptCommand, findBinary, missingRows, PACKAGES } from "../../../tools/test/packages.ts";

Deno.test("missingRows() names exactly the programs that cannot be found", () => {
  const rows = missingRows((binary) =>
    binary === "curl" || binary === "initdb" ? undefined : `/usr/bin/${binary}`
  );
  assert.deepEqual(rows.map((row) => row.binary), ["curl", "initdb"]);
});

Deno.test("aptCommand() names each package once, in a line that can be pasted", () => {
  const rows = PACKAGES.filter((row) =>
    row.binary === "postgres" || row.binary === "initdb" || row.binary === "curl"
  );
  assert.equal(
    aptCommand(rows),
    "apt-get update && apt-get install -y --no-install-recommends curl postgresql",
  );
});

Deno.test("findBinary() gives an absolute path, and undefined for what is not there", () => {
  assert.match(findBinary("sh") ?? "", /^\/.*\/sh$/);
  assert.equal(findBinary("no-such-program-of-postern"), undefined);
});

Deno.test("PACKAGES says for each program why the tests need it", () => {
  for (const row of PACKAGES) assert.ok(row.why.length > 10, row.binary);
  assert.equal(new Set(PACKAGES.map((row) => row.binary)).size, PACKAGES.length);
});
