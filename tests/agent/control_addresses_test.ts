import assert from "node:assert/strict";
import { ControlAddresses, RETURN_MS } from "../../agent/control_addresses.ts";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** Addresses a, b, c; each answers with its name unless something is wrong with it. */
function addresses(names = ["a", "b", "c"]) {
  const clock = new VirtualClock();
  const wrong = new Map<string, PosternError>();
  const asked: string[] = [];
  const moves: string[] = [];
  const all: ControlAddresses<string> = new ControlAddresses(names, {
    clock,
    random: (bytes) => new Uint8Array(bytes).fill(128),
    onMoved: () => moves.push(all.current),
  });
  const ask = async () => {
    asked.splice(0);
    const outcome = await all.ask((name) => {
      asked.push(name);
      const error = wrong.get(name);
      return error === undefined ? Promise.resolve(name) : Promise.reject(error);
    }).catch(codeOf);
    return [outcome, asked.join("")];
  };
  return { clock, wrong, moves, all, ask };
}

const down = new PosternError("control_unreachable");

Deno.test("ControlAddresses asks the next one when an address is not available, and stays with the one that answered", async () => {
  const { wrong, moves, all, ask } = addresses();
  assert.deepEqual(await ask(), ["a", "a"]);
  wrong.set("a", down);
  assert.deepEqual(await ask(), ["b", "ab"]);
  assert.deepEqual(await ask(), ["b", "b"]);
  wrong.delete("a");
  assert.deepEqual(await ask(), ["b", "b"]);
  assert.deepEqual([all.current, moves], ["b", ["b"]]);
});

Deno.test("ControlAddresses takes a refusal as the answer that it is, and goes on for what only means: not here, not now", async () => {
  const status = (code: "control_unavailable" | "store_unreachable", status: number) =>
    new PosternError(code, "told", { detail: { status } });
  const cases: [PosternError, string][] = [
    [new PosternError("control_timeout"), "ab"],
    [new PosternError("proxy_refused"), "ab"],
    [status("store_unreachable", 503), "ab"],
    [status("control_unavailable", 502), "ab"],
    [
      new PosternError("control_response_invalid", "cut", { cause: new PosternError("http_truncated_body") }),
      "ab",
    ],
    [status("control_unavailable", 429), "a"],
    [new PosternError("control_response_invalid"), "a"],
    [new PosternError("control_refused"), "a"],
    [new PosternError("token_revoked"), "a"],
    [new PosternError("name_taken"), "a"],
    [new PosternError("challenge_unknown"), "a"],
    [new PosternError("no_edge_available"), "a"],
    [new PosternError("connect_aborted"), "a"],
  ];
  for (const [error, asked] of cases) {
    const { wrong, ask } = addresses();
    wrong.set("a", error);
    assert.deepEqual(await ask(), [asked === "a" ? error.code : "b", asked], error.code);
  }
});

Deno.test("ControlAddresses leaves a failed address alone for longer each time, and never all of them", async () => {
  const { clock, wrong, ask } = addresses(["a", "b"]);
  wrong.set("a", down).set("b", new PosternError("control_timeout"));
  assert.deepEqual(await ask(), ["control_timeout", "ab"]);
  // 500 ms each: one is asked nevertheless.
  assert.deepEqual(await ask(), ["control_unreachable", "a"]);
  await clock.advanceAsync(500);
  // b's wait is over, a's second one of 1 s is not.
  assert.deepEqual(await ask(), ["control_timeout", "b"]);
  await clock.advanceAsync(500);
  wrong.clear();
  assert.deepEqual(await ask(), ["a", "a"]);
});

Deno.test("ControlAddresses gives the first address its turn again some minutes after it was left, each time it fails later", async () => {
  const { clock, wrong, moves, ask } = addresses(["a", "b"]);
  wrong.set("a", down);
  assert.deepEqual(await ask(), ["b", "ab"]);
  await clock.advanceAsync(1.5 * RETURN_MS - 1);
  assert.deepEqual(await ask(), ["b", "b"]);
  await clock.advanceAsync(1);
  assert.deepEqual(await ask(), ["b", "ab"], "it is still down");
  assert.deepEqual(await ask(), ["b", "b"]);
  wrong.delete("a");
  await clock.advanceAsync(1.5 * RETURN_MS);
  assert.deepEqual(await ask(), ["a", "a"]);
  wrong.set("a", down);
  assert.deepEqual(await ask(), ["b", "ab"]);
  assert.deepEqual(moves, ["b", "a", "b"]);
});

Deno.test("ControlAddresses counts an outage that several requests meet once", async () => {
  const { clock, wrong, all } = addresses(["a", "b"]);
  wrong.set("a", down);
  const asked: string[] = [];
  const gate = Promise.withResolvers<void>();
  const ask = () =>
    all.ask(async (name) => {
      asked.push(name);
      await gate.promise;
      if (name === "a") throw down;
      return name;
    });
  const both = [ask(), ask()];
  await clock.advanceAsync(10);
  gate.resolve();
  assert.deepEqual(await Promise.all(both), ["b", "b"]);
  assert.equal(asked.join(""), "aabb");
});

Deno.test("ControlAddresses with one address asks it every time", async () => {
  const { wrong, moves, ask } = addresses(["a"]);
  wrong.set("a", down);
  assert.deepEqual(await ask(), ["control_unreachable", "a"]);
  assert.deepEqual(await ask(), ["control_unreachable", "a"]);
  wrong.clear();
  assert.deepEqual(await ask(), ["a", "a"]);
  assert.deepEqual(moves, []);
});
