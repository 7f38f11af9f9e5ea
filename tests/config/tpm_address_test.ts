import assert from "node:assert/strict";
import { agentDefaults, formatTpmAddress, parseTpmAddress } from "../../src/config/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";

Deno.test("parseTpmAddress() reads sockets, devices and standard input and output, and formatTpmAddress() writes them", () => {
  for (
    const text of [
      "unix:/run/tpm.sock",
      "tcp:127.0.0.1:2321",
      "tcp:tpm.example:2321",
      "tcp:[::1]:2321",
      "/dev/tpmrm0",
      "stdio",
    ]
  ) {
    const address = parseTpmAddress(text);
    assert.ok(address !== undefined, text);
    assert.equal(formatTpmAddress(address), text);
  }
});

Deno.test("parseTpmAddress() refuses what is none of them", () => {
  for (
    const text of [
      "",
      "on",
      "tpmrm0",
      "unix:",
      "unix:relative",
      `unix:/${"x".repeat(107)}`,
      "tcp:",
      "tcp:2321",
      "tcp::2321",
      "tcp:host:0",
      "tcp:host:65536",
      "/",
      "/dev/\0",
      "stdin",
      "http://host:1",
    ]
  ) assert.equal(parseTpmAddress(text), undefined, JSON.stringify(text));
});

Deno.test("the setting tpm is off unless given, and tpm_ek names a key", () => {
  assert.equal(agentDefaults().tpm, null);
  assert.deepEqual(agentDefaults({ tpm: "off" }).tpm, null);
  assert.deepEqual(agentDefaults({ tpm: "/dev/tpmrm0" }).tpm, { kind: "device", path: "/dev/tpmrm0" });
  assert.equal(agentDefaults({ tpm_ek: "p384" }).tpmEk, "p384");
  for (const wrong of [["tpm", "yes"], ["tpm_ek", "rsa4096"]]) {
    assert.throws(
      () => agentDefaults(Object.fromEntries([wrong])),
      (error) => codeOf(error) === "config_value_invalid",
    );
  }
});
