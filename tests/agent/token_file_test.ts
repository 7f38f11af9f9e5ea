import assert from "node:assert/strict";
import { TokenFile } from "../../agent/token_file.ts";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { TempDir } from "../support/temp_dir.ts";

/** A token that says when it was issued, and is none otherwise. */
function tokenOf(iat: number, family = "family-1"): string {
  return `head.${toBase64Url(utf8(JSON.stringify({ iat, exp: iat + 60, family })))}.signature`;
}

async function put(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { mode: 0o600 });
}

Deno.test("TokenFile replaces the operator's file where it can", async () => {
  await using folder = await TempDir.make("token-file");
  const file = new TokenFile(`${folder.path}/agent.token`, `${folder.path}/state/renewed.token`);
  await put(file.path, `${tokenOf(1)}\n`);
  assert.equal(await file.read(), tokenOf(1));
  await file.write(`${tokenOf(2)}\n`);
  assert.equal(await Deno.readTextFile(file.path), `${tokenOf(2)}\n`);
  assert.equal(await file.read(), tokenOf(2));
});

Deno.test("TokenFile keeps a renewed token in the state directory where the file cannot be replaced; a newer file wins", async () => {
  await using folder = await TempDir.make("token-file");
  const copy = `${folder.path}/state/renewed.token`;
  // A file of the kernel: readable, and no file can be made beside it, not by root either.
  const kernels = new TokenFile("/proc/version", copy);
  await kernels.write(`${tokenOf(2)}\n`);
  assert.equal((await Deno.stat(copy)).mode! & 0o777, 0o600);

  const file = new TokenFile(`${folder.path}/agent.token`, copy);
  await put(file.path, tokenOf(1));
  assert.equal(await file.read(), tokenOf(2));
  await put(file.path, tokenOf(3));
  assert.equal(await file.read(), tokenOf(3));
  await put(file.path, tokenOf(1, "family-2"));
  assert.equal(await file.read(), tokenOf(1, "family-2"));
});

Deno.test("TokenFile does without a copy that is not private or no token", async () => {
  await using folder = await TempDir.make("token-file");
  const file = new TokenFile(`${folder.path}/agent.token`, `${folder.path}/renewed.token`);
  await put(file.path, tokenOf(1));
  await put(`${folder.path}/renewed.token`, "nothing of the kind");
  assert.equal(await file.read(), tokenOf(1));
  await put(`${folder.path}/renewed.token`, tokenOf(2));
  await Deno.chmod(`${folder.path}/renewed.token`, 0o644);
  assert.equal(await file.read(), tokenOf(1));
});
