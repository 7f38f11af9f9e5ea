import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import {
  type FileAccess,
  maxSecretFileBytes,
  readSecretFile,
  secretFileExposure,
} from "../../src/config/mod.ts";

function fileOf(text: string, mode: number | null = 0o600, isFile = true): FileAccess {
  return {
    stat: () => Promise.resolve({ isFile, size: text.length, mode }),
    readTextFile: () => Promise.resolve(text),
  };
}

async function codeFrom(files: FileAccess): Promise<string> {
  const error = await readSecretFile("/s", files).then(() => null, (error) => error);
  assert.ok(error instanceof PosternError, String(error));
  return error.code;
}

Deno.test("secretFileExposure() tells private, group and open apart by the permission bits", () => {
  assert.equal(secretFileExposure(0o100600), "private");
  assert.equal(secretFileExposure(0o100400), "private");
  assert.equal(secretFileExposure(null), "private");
  assert.equal(secretFileExposure(0o100640), "group");
  assert.equal(secretFileExposure(0o100644), "open");
  assert.equal(secretFileExposure(0o100602), "open");
});

Deno.test("readSecretFile() trims, and warns when the group may read", async () => {
  assert.deepEqual(await readSecretFile("/s", fileOf(" abc\n")), { secret: "abc" });
  const { secret, warning } = await readSecretFile("/s", fileOf("abc", 0o640));
  assert.equal(secret, "abc");
  assert.match(warning ?? "", /chmod 600/);
});

Deno.test("readSecretFile() refuses a file that everybody may read", async () => {
  assert.equal(await codeFrom(fileOf("abc", 0o644)), "secret_file_permissions");
});

Deno.test("readSecretFile() refuses what is absent, no file, empty, too long or unreadable", async () => {
  const absent = { ...fileOf(""), stat: () => Promise.reject(new Error("ENOENT")) };
  const unreadable = { ...fileOf("abc"), readTextFile: () => Promise.reject(new Error("EACCES")) };
  const cases = [
    absent,
    unreadable,
    fileOf("a", 0o600, false),
    fileOf(" \n"),
    fileOf("a".repeat(maxSecretFileBytes + 1)),
  ];
  for (const files of cases) assert.equal(await codeFrom(files), "secret_file_unreadable");
});
