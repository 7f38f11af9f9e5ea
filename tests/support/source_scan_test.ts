import assert from "node:assert/strict";
import { blank, importsOf, resolveRelative } from "./source_scan.ts";

Deno.test("blank() wipes comments, strings and regular expressions, and keeps offsets", () => {
  const source = [
    'const a = "Deno.x"; // Deno.y',
    "/* Deno.z */ const b = 4 / 2 / 1;",
    "const c = /[\"'`/]/.test(a) ? `t ${ `in ${Deno.pid}` } Deno.q` : '\\'';",
    "Deno.exit();",
  ].join("\n");
  const code = blank(source);
  assert.equal(code.length, source.length);
  assert.deepEqual([...code.matchAll(/Deno\.\w+/g)].map((match) => match[0]), ["Deno.pid", "Deno.exit"]);
  assert.match(code, /4 \/ 2 \/ 1/);
});

Deno.test("importsOf() sees static, type, side-effect, dynamic imports and re-exports", () => {
  const source = `
import a, { b } from "./a.ts";
import type { C } from "../c/mod.ts";
import {
  d,
} from './d.ts';
import "./e.ts";
export * from "./f.ts";
export { type G, h } from "./g.ts";
const text = 'import x from "./no.ts"'; // import y from "./no.ts"
const i = await import("./i.ts");
export const from = "./no.ts";
`;
  assert.deepEqual(
    importsOf(source).map((edge) => [edge.specifier, edge.line, edge.typeOnly]),
    [
      ["./a.ts", 2, false],
      ["../c/mod.ts", 3, true],
      ["./d.ts", 4, false],
      ["./e.ts", 7, false],
      ["./f.ts", 8, false],
      ["./g.ts", 9, false],
      ["./i.ts", 11, false],
    ],
  );
});

Deno.test("resolveRelative() follows relative specifiers only", () => {
  assert.equal(resolveRelative("src/mux/mod.ts", "../wire/mod.ts"), "src/wire/mod.ts");
  assert.equal(resolveRelative("src/mux/mod.ts", "node:net"), undefined);
});
