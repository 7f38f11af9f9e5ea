import assert from "node:assert/strict";
import fc from "fast-check";
import {
  describeResponseCode,
  isCode,
  isTransient,
  isWarning,
  TpmRc,
} from "../../../agent/tpm/response_code.ts";

Deno.test("describeResponseCode() tells which parameter, handle or session an error is about", () => {
  assert.equal(
    describeResponseCode(0x2c4),
    "TPM_RC_VALUE (0x2c4): parameter 2: the value is out of range or not right here",
  );
  assert.match(describeResponseCode(0x18b), /^TPM_RC_HANDLE \(0x18b\): handle 1: /);
  assert.match(describeResponseCode(0x9a2), /^TPM_RC_BAD_AUTH \(0x9a2\): session 1: /);
  assert.match(describeResponseCode(0xfc4), /parameter 15: /);
  assert.match(describeResponseCode(0x084), /^TPM_RC_VALUE \(0x084\): the value/);
});

Deno.test("describeResponseCode() tells errors, warnings, references, layers and what it does not know", () => {
  assert.match(describeResponseCode(0x100), /^TPM_RC_INITIALIZE /);
  assert.match(describeResponseCode(0x922), /^TPM_RC_RETRY /);
  assert.match(describeResponseCode(0x902), /no room for one more object/);
  assert.match(describeResponseCode(0x910), /REFERENCE_H.*1\. handle/);
  assert.match(describeResponseCode(0x91a), /REFERENCE_S.*3\. session/);
  assert.match(describeResponseCode(0xb0143), /COMMAND_CODE \(0x143, from the resource manager\)/);
  assert.match(describeResponseCode(0x70143), /from layer 7/);
  assert.match(describeResponseCode(0x500), /maker/);
  assert.match(describeResponseCode(0x01e), /TPM 1\.2/);
  assert.match(describeResponseCode(0x17f), /UNKNOWN/);
});

Deno.test("describeResponseCode() has words for every number", () => {
  fc.assert(fc.property(fc.nat(0xffff_ffff), (code) => {
    assert.match(describeResponseCode(code), /^TPM_RC_\w+ \(0x[0-9a-f]{3,4}[^)]*\): .+/);
  }));
});

Deno.test("isTransient() holds for answers that ask for another attempt only", () => {
  for (const code of [0x908, 0x909, 0x90a, 0x920, 0x922, 0x923]) assert.ok(isTransient(code));
  for (const code of [0, 0x100, 0x101, 0x153, 0x921, 0x902, 0x18b]) assert.ok(!isTransient(code));
});

Deno.test("isWarning() holds for what judges nothing, a handle that is not loaded before all", () => {
  for (const code of [0x910, 0x911, 0x918, 0x902, 0x922]) assert.ok(isWarning(code));
  for (const code of [0, 0x101, 0x18b, 0x2c4, 0x2df, 0x98e]) assert.ok(!isWarning(code));
});

Deno.test("isCode() looks past the number of the handle, and past the layer", () => {
  assert.ok(isCode(0x18b, TpmRc.handle) && isCode(0x28b, TpmRc.handle) && isCode(0x08b, TpmRc.handle));
  assert.ok(!isCode(0x184, TpmRc.handle));
  assert.ok(isCode(0xb0153, TpmRc.needsTest) && !isCode(0x153, TpmRc.initialize));
});
