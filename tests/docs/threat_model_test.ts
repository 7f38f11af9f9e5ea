/** docs/threat-model.md is held to the tests that it names. */
import assert from "node:assert/strict";
import { CATALOGUE } from "../../src/errors/mod.ts";

const root = new URL("../../", import.meta.url);
const page = await Deno.readTextFile(new URL("docs/threat-model.md", root));

interface Row {
  readonly who: string;
  readonly codes: readonly string[];
  readonly path: string;
  readonly test: string;
}

/** Rows of attacks: five cells, of which the last names a test. */
function rowsOf(text: string): Row[] {
  return [...text.matchAll(/^\| (.*) \|$/gm)].map(([, cells]) =>
    cells.split(" | ").map((cell) => cell.trim())
  )
    .filter((cells) => cells.length === 5 && cells[0] !== "who" && !cells[0].startsWith("--"))
    .map(([who, tries, stops, codes, tried]) => {
      const match = /^\[(tests\/[a-z0-9_/]+\.ts)\]\(\.\.\/([^)]+)\): (.+)$/.exec(tried);
      assert.ok(match !== null && match[1] === match[2], `names no test: ${tried}`);
      for (const cell of [who, tries, stops]) assert.ok(cell.length > 0, tried);
      return {
        who,
        codes: [...codes.matchAll(/\[([a-z0-9_]+)\]/g)].map(([, code]) => code),
        path: match[1],
        test: match[3],
      };
    });
}

Deno.test("docs/threat-model.md: each attack is tried by a test of that name, which provokes the code", async () => {
  const rows = rowsOf(page);
  assert.ok(rows.length >= 60, `only ${rows.length} rows`);
  for (const { codes, path, test } of rows) {
    const source = await Deno.readTextFile(new URL(path, root));
    const names = [...source.matchAll(/\btest\(\s*("(?:[^"\\]|\\.)*")/g)].map(([, literal]) =>
      JSON.parse(literal)
    );
    assert.ok(names.includes(test), `${path} has no test: ${test}`);
    for (const code of codes) {
      assert.ok(Object.hasOwn(CATALOGUE, code), `${code} is no code`);
      assert.ok(source.includes(code), `${path} does not know ${code}`);
    }
  }
});

Deno.test("docs/threat-model.md: every part that can be broken into has attacks, and each attack is named once", () => {
  const sections = new Map(
    page.split(/^## /m).slice(1).map((section) => [section.slice(0, section.indexOf("\n")), rowsOf(section)]),
  );
  const parts = [
    "The network",
    "A relay or an edge",
    "An agent's disk",
    "Control's database",
    "Control itself",
  ];
  for (
    const part of [...parts, "Between nodes", "Letting nodes and machines in", "Attestation", "Upgrades"]
  ) {
    assert.ok((sections.get(part)?.length ?? 0) >= 2, part);
  }
  const tried = [...sections.values()].flat().map(({ who, path, test, codes }) =>
    `${who} ${path} ${test} ${codes}`
  );
  assert.equal(new Set(tried).size, tried.length);
});
