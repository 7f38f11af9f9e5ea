import assert from "node:assert/strict";
import { hostKeyFileIn, hostKeyOf, openToken, plainFiles } from "../../../agent/identity/mod.ts";
import { systemRandom } from "../../../src/driver/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { parseHostKey, wrapToken } from "../../../src/pki/mod.ts";
import { TempDir } from "../../support/temp_dir.ts";

const refused = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));

Deno.test("hostKeyOf() makes one key, for this user only, and tells it again", async () => {
  await using folder = await TempDir.make("host");
  const path = hostKeyFileIn(folder.path);
  const [one, two] = await Promise.all([
    hostKeyOf(path, systemRandom, plainFiles),
    hostKeyOf(path, systemRandom, plainFiles),
  ]);
  assert.equal(one, two);
  assert.equal(await hostKeyOf(path, systemRandom, plainFiles), one);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
});

Deno.test("openToken() opens what is wrapped to this host, leaves bare tokens, and says whose others are", async () => {
  await using folder = await TempDir.make("host");
  const [path, other] = [hostKeyFileIn(folder.path), folder.file("other.json")];
  assert.equal(await openToken("enroll.bare", path, plainFiles), "enroll.bare");
  const wrapped = wrapToken(
    "enroll.x",
    parseHostKey(await hostKeyOf(other, systemRandom, plainFiles)),
    systemRandom,
  );
  await refused("host_key_missing", openToken(wrapped, path, plainFiles));
  await hostKeyOf(path, systemRandom, plainFiles);
  await refused("wrapped_token_foreign", openToken(wrapped, path, plainFiles));
  assert.equal(await openToken(wrapped, other, plainFiles), "enroll.x");
  await Deno.writeTextFile(path, "{}");
  await refused("host_key_file_malformed", openToken(wrapped, path, plainFiles));
});
