import assert from "node:assert/strict";
import { HeaderList } from "../../src/http1/mod.ts";
import { pairs } from "./support.ts";

const sample = () =>
  HeaderList.from([["A", "1"], ["Set-Cookie", "x"], ["a", "2"], ["SET-COOKIE", "y"], ["B", ""]]);

Deno.test("HeaderList looks up by lower-case name and keeps spelling and order", () => {
  const list = sample();
  assert.equal(list.length, 5);
  assert.equal(list.get("a"), "1");
  assert.equal(list.get("b"), "");
  assert.equal(list.get("c"), null);
  assert.deepEqual(list.getAll("set-cookie"), ["x", "y"]);
  assert.equal(list.has("b"), true);
  assert.equal(list.has("B"), false);
  assert.equal(list.has("c"), false);
  assert.deepEqual(pairs(list)[3], ["SET-COOKIE", "y"]);
  assert.equal(JSON.stringify(list), '[["A","1"],["Set-Cookie","x"],["a","2"],["SET-COOKIE","y"],["B",""]]');
});

Deno.test("HeaderList.set() replaces all lines at the place of the first", () => {
  const list = sample();
  list.set("SET-Cookie", "z");
  list.set("C", "3");
  assert.deepEqual(pairs(list), [["A", "1"], ["SET-Cookie", "z"], ["a", "2"], ["B", ""], ["C", "3"]]);
});

Deno.test("HeaderList.delete() and deleteWhere() remove all lines", () => {
  const list = sample();
  list.delete("a");
  list.delete("nothing");
  assert.deepEqual(pairs(list), [["Set-Cookie", "x"], ["SET-COOKIE", "y"], ["B", ""]]);
  list.deleteWhere((key) => key === "set-cookie");
  assert.deepEqual(pairs(list), [["B", ""]]);
});

Deno.test("HeaderList.clone() is independent", () => {
  const list = sample();
  const copy = list.clone();
  copy.append("C", "3");
  copy.delete("a");
  assert.deepEqual(pairs(list), pairs(sample()));
  assert.equal(copy.length, 4);
});
