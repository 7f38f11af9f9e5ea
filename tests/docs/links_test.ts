import assert from "node:assert/strict";
import { existsSync } from "node:fs";

const root = new URL("../../", import.meta.url);

/** Pages that people write; the generated ones are written from the source. */
const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "docs/http.md",
  "docs/operator-guide.md",
  "docs/protocol.md",
  "docs/threat-model.md",
  "packaging/README.md",
  "bench/README.md",
  "wasm/README.md",
];

/** Anchors of the headings, as forges make them. */
function anchorsOf(page: string): Set<string> {
  const text = page.replace(/^```[^]*?^```$/gm, "");
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

for (const path of PAGES) {
  Deno.test(`${path}: every link leads somewhere`, async () => {
    const base = new URL(path, root);
    const page = await Deno.readTextFile(base);
    for (const [, target] of page.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const url = new URL(target, base);
      assert.ok(existsSync(new URL(url.pathname, base)), `${target}: no such file`);
      if (url.hash === "" || !url.pathname.endsWith(".md")) continue;
      const anchors = anchorsOf(await Deno.readTextFile(new URL(url.pathname, base)));
      assert.ok(anchors.has(url.hash.slice(1)), `${target}: no such heading`);
    }
  });
}

Deno.test("docs/operator-guide.md: the table of contents names every section, in order", async () => {
  const page = await Deno.readTextFile(new URL("docs/operator-guide.md", root));
  const contents = page.slice(0, page.indexOf("\n## "));
  const listed = [...contents.matchAll(/^ *- \[([^\]]+)\]/gm)].map(([, title]) => title);
  const sections = [...page.matchAll(/^###? (.*)$/gm)].map(([, title]) => title);
  assert.deepEqual(listed, sections);
});
