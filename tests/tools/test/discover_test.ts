import assert from "node:assert/strict";
import { listTestFiles, selectFiles } from "../../../tools/test/discover.ts";
import { TempDir } from "../../support/temp_dir.ts";

const all = [
  "tests/e2e/http_test.ts",
  "tests/wire/frame_test.ts",
  "tests/wire/varint_test.ts",
  "tests/x_test.ts",
];

Deno.test("selectFiles() without a filter takes everything, e2e apart", () => {
  assert.deepEqual(selectFiles(all, []), { parallel: all.slice(1), serial: ["tests/e2e/http_test.ts"] });
});

Deno.test("selectFiles() takes files, folders and parts of a path", () => {
  assert.deepEqual(selectFiles(all, ["./tests/wire/"]).parallel, all.slice(1, 3));
  assert.deepEqual(selectFiles(all, ["tests/x_test.ts", "http"]), {
    parallel: ["tests/x_test.ts"],
    serial: ["tests/e2e/http_test.ts"],
  });
});

Deno.test("selectFiles() refuses a filter that matches nothing", () => {
  assert.throws(() => selectFiles(all, ["tests/nowhere"]), RangeError);
});

Deno.test("listTestFiles() finds test files only, sorted, at any depth", async () => {
  await using folder = await TempDir.make();
  for (const name of ["b_test.ts", "a/c_test.ts", "a/helper.ts", "a/d.test.tsx", "latest.ts"]) {
    const path = `${folder.path}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, "");
  }
  const found = listTestFiles(folder.path).map((path) => path.slice(folder.path.length + 1));
  assert.deepEqual(found, ["a/c_test.ts", "a/d.test.tsx", "b_test.ts"]);
});
