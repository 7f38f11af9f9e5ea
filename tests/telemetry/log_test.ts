import assert from "node:assert/strict";
import fc from "fast-check";
import type { LogFields, LogLevel } from "../../src/ports/mod.ts";
import { createLog, maxFieldChars, maxFields, noLog } from "../../src/telemetry/mod.ts";

function logged(
  format: "text" | "json",
  event: string,
  fields: LogFields = {},
  level: LogLevel = "debug",
  base?: LogFields,
): string {
  let out = "";
  createLog({ format, level, wall: () => 0, write: (line) => out += line, base })("info", event, fields);
  return out;
}

Deno.test("createLog() writes one JSON object a line", () => {
  const line = logged("json", "channel established", { channel_id: "c1", streams: 3, gone: undefined });
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    event: "channel established",
    channel_id: "c1",
    streams: 3,
  });
});

Deno.test("createLog() writes text with quoted values where they need it", () => {
  assert.equal(
    logged("text", "route added", { service: "web", note: 'a "b" c', ok: true, empty: "" }),
    '1970-01-01T00:00:00.000Z INFO  route added service=web note="a \\"b\\" c" ok=true empty=""\n',
  );
});

Deno.test("createLog() leaves out what is below its level", () => {
  assert.equal(logged("text", "x", {}, "warn"), "");
  assert.notEqual(logged("text", "x", {}, "info"), "");
});

Deno.test("createLog() never writes values of fields named like secrets", () => {
  const fields = {
    token: "hunter2",
    stage0_token: "hunter2",
    managementToken: "hunter2",
    psk: "hunter2",
    private_key: "hunter2",
    session_nonce: "hunter2",
    key_pem: "hunter2",
    Authorization: "hunter2",
    "set-cookie": "hunter2",
    key_id: "kid-7",
    token_kind: "stage0",
  };
  for (const format of ["json", "text"] as const) {
    const line = logged(format, "x", fields);
    assert.doesNotMatch(line, /hunter2/);
    assert.match(line, /kid-7/);
    assert.match(line, /stage0/);
  }
});

Deno.test("createLog() keeps any peer text on one printable line", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (event, value) => {
    for (const format of ["json", "text"] as const) {
      const line = logged(format, event, { value });
      assert.equal(line.indexOf("\n"), line.length - 1);
      // deno-lint-ignore no-control-regex -- control characters must be absent
      assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
    }
  }));
  const json = logged("json", "x", { value: "a\u202eb\n\u009b" });
  assert.equal(JSON.parse(json).value, "a\u202eb\n\u009b");
});

Deno.test("createLog() bounds the length and the number of fields", () => {
  const line = JSON.parse(logged("json", "x", { value: "a".repeat(10_000) }));
  assert.ok(line.value.length < maxFieldChars + 20);
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, i]));
  const record = JSON.parse(logged("json", "x", many));
  assert.equal(Object.keys(record).length, 3 + maxFields + 1);
  assert.equal(record.fields_dropped, true);
});

Deno.test("createLog() keeps its own names when a field has the same", () => {
  const record = JSON.parse(logged("json", "real", { event: "forged", level: "error" }));
  assert.equal(record.event, "real");
  assert.equal(record.level, "info");
  assert.equal(record.event_, "forged");
});

Deno.test("createLog() does not throw when its writer does", () => {
  const log = createLog({
    format: "json",
    level: "debug",
    wall: () => 0,
    write: () => {
      throw new Error("EPIPE");
    },
  });
  log("error", "x");
  noLog("error", "x");
});
