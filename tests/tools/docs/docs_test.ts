import assert from "node:assert/strict";
import { CATALOGUE } from "../../../src/errors/mod.ts";
import { generatedPages } from "../../../tools/docs.ts";
import { cell, differences, escapeMarkup } from "../../../tools/docs/pages.ts";

Deno.test("generatedPages() has a page for every code, listed in the index, and the references", async () => {
  const pages = await generatedPages();
  const index = pages.get("docs/errors/README.md") ?? "";
  for (const code of Object.keys(CATALOGUE)) {
    assert.ok(pages.get(`docs/errors/${code}.md`)?.includes(`\`${code}\``), code);
    assert.ok(index.includes(`(${code}.md)`), code);
  }
  assert.ok(pages.get("docs/reference/frames.md")?.includes("GOAWAY"));
  assert.ok(pages.get("docs/reference/settings.md")?.includes("POSTERN_LISTEN"));
  assert.ok(JSON.parse(pages.get("docs/reference/openapi.json") ?? "").paths["/tunnels/create"]);
  for (const [path, text] of pages) assert.ok(text.endsWith("\n") && !text.endsWith("\n\n"), path);
});

Deno.test("differences() names missing, differing and left-over pages", () => {
  const folder = Deno.makeTempDirSync({ prefix: "postern-docs-test-" });
  try {
    Deno.writeTextFileSync(`${folder}/same.md`, "same\n");
    Deno.writeTextFileSync(`${folder}/other.md`, "old\n");
    Deno.writeTextFileSync(`${folder}/stale.md`, "gone\n");
    const pages = new Map([["same.md", "same\n"], ["other.md", "new\n"], ["missing.md", "text\n"]]);
    const absolute = new Map([...pages].map(([name, text]) => [`${folder}/${name}`, text]));
    const found = differences(absolute, [folder]);
    assert.deepEqual(found.map(({ path, state }) => [path.slice(folder.length + 1), state]), [
      ["missing.md", "missing"],
      ["other.md", "differs"],
      ["stale.md", "no longer generated"],
    ]);
    assert.deepEqual(differences(new Map(), [`${folder}/none`]), []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("cell() and escapeMarkup() keep code spans and escape the rest", () => {
  assert.equal(escapeMarkup("NAME.<this> `a<b>`"), "NAME.\\<this> `a<b>`");
  assert.equal(cell("a|b\nc"), "a\\|b c");
});
