import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../../src/bytes/mod.ts";
import { qrModules, qrSvg } from "../../../src/control/admin/qr.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { requireBinary } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";

/** Reads a code with a real decoder, from an image with four pixels a module. */
async function decoded(modules: ReturnType<typeof qrModules>): Promise<string> {
  const [scale, quiet] = [4, 4];
  const size = (modules.length + 2 * quiet) * scale;
  const pixels = new Uint8Array(size * size).fill(255);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const isDark = modules[Math.floor(y / scale) - quiet]?.[Math.floor(x / scale) - quiet];
      if (isDark) pixels[y * size + x] = 0;
    }
  }
  await using folder = await TempDir.make("qr");
  const path = folder.file("code.pgm");
  await Deno.writeFile(path, new Uint8Array([...utf8(`P5\n${size} ${size}\n255\n`), ...pixels]));
  const { stdout } = await new Deno.Command(requireBinary("zbarimg"), {
    args: ["-q", "--raw", "--nodbus", path],
    stderr: "null",
  }).output();
  return utf8Decode(stdout).trimEnd();
}

/** Bytes that a version holds at level M, from 1 on (ISO/IEC 18004, table 7). */
const capacities = [14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 362, 412];

Deno.test("qrModules() draws codes of every version that a real scanner reads", async () => {
  for (const [at, capacity] of capacities.entries()) {
    const text = Array.from({ length: capacity }, (_, n) => "abcdefgh0123:/#?"[(7 * n + at) % 16]).join("");
    const modules = qrModules(utf8(text));
    assert.equal(modules.length, 21 + 4 * at);
    assert.equal(await decoded(modules), text, `version ${at + 1}`);
  }
});

Deno.test("qrModules() takes the smallest version, and no more than the largest holds: request_invalid", () => {
  assert.equal(qrModules(new Uint8Array(0)).length, 21);
  assert.equal(qrModules(new Uint8Array(15)).length, 25);
  assert.throws(() => qrModules(new Uint8Array(413)), (error) => codeOf(error) === "request_invalid");
});

Deno.test("qrSvg() is dark on light, with a quiet zone", () => {
  const svg = qrSvg(utf8("x"));
  assert.match(svg, /viewBox="0 0 29 29"/);
  assert.match(svg, /fill="#fff".*fill="#000"/);
  assert.match(svg, /d="M4 4h1v1h-1z/);
});
