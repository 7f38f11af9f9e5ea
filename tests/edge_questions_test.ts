import assert from "node:assert/strict";
import type { EdgeQuestion } from "../src/control/mod.ts";
import { ANSWER_MS, EdgeQuestions, MAX_PART_BYTES, SILENT_MS } from "../src/edge_questions.ts";
import { PosternError } from "../src/errors/mod.ts";
import type { Announcement } from "../src/ports/mod.ts";
import { countingRandom } from "./identity/support.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

const totals: EdgeQuestion = { kind: "totals" };

/** Edges that hear each other, but for those that are gone. */
class Edges {
  readonly clock = new VirtualClock();
  readonly gone = new Set<string>();
  readonly said: Announcement[] = [];
  readonly asked: string[] = [];
  readonly rows = new Map<string, readonly unknown[]>();
  readonly #edges = new Map<string, EdgeQuestions>();
  isDown = false;

  add(edgeId: string): EdgeQuestions {
    const questions = new EdgeQuestions({
      store: {
        announce: (announcement) => {
          if (this.isDown) return Promise.reject(new PosternError("store_unreachable"));
          this.said.push(announcement);
          this.#tell(edgeId, JSON.parse(JSON.stringify(announcement)));
          return Promise.resolve();
        },
      },
      clock: this.clock,
      random: countingRandom(this.#edges.size + 1),
      log: () => {},
      self: { instanceId: `process-${edgeId}`, edgeId },
      others: () =>
        [...this.#edges.keys()].filter((other) => other !== edgeId).map((other) => ({
          instanceId: `process-${other}`,
          edgeId: other,
        })),
      answer: (question) => {
        this.asked.push(`${edgeId} ${question.kind}`);
        return Promise.resolve(this.rows.get(edgeId) ?? [edgeId]);
      },
    });
    this.#edges.set(edgeId, questions);
    return questions;
  }

  #tell(from: string, announcement: Announcement): void {
    for (const [edgeId, questions] of this.#edges) {
      if (edgeId === from || this.gone.has(edgeId)) continue;
      if (announcement.kind === "asked") questions.asked(announcement);
      if (announcement.kind === "answered") questions.answered(announcement);
    }
  }
}

Deno.test("EdgeQuestions.ask() has this edge and all others answer, each with its id", async () => {
  const edges = new Edges();
  const [a] = ["a", "b", "c"].map((id) => edges.add(id));
  assert.deepEqual(await a.ask(totals), {
    answers: [{ edgeId: "a", rows: ["a"] }, { edgeId: "b", rows: ["b"] }, { edgeId: "c", rows: ["c"] }],
    silent: [],
  });
  assert.equal(edges.clock.pending, 0, "nothing is waited for any more");
});

Deno.test("EdgeQuestions.ask() of one edge asks that one only, and knows which there are: edge_unknown", async () => {
  const edges = new Edges();
  const [a] = ["a", "b", "c"].map((id) => edges.add(id));
  const drain: EdgeQuestion = { kind: "drain", which: { edgeId: "b" }, deadlineMs: 1 };
  assert.deepEqual((await a.ask(drain, "b")).answers, [{ edgeId: "b", rows: ["b"] }]);
  assert.deepEqual((await a.ask(drain, "a")).answers, [{ edgeId: "a", rows: ["a"] }]);
  assert.deepEqual(edges.asked, ["b drain", "a drain"]);
  await assert.rejects(() => a.ask(drain, "d"), { code: "edge_unknown" });
});

Deno.test("EdgeQuestions puts a long answer together out of parts that an announcement takes", async () => {
  const edges = new Edges();
  const [a] = ["a", "b"].map((id) => edges.add(id));
  const rows = Array.from({ length: 400 }, (_, at) => ({ at, text: "é".repeat(40) }));
  edges.rows.set("b", rows);
  const { answers } = await a.ask(totals);
  assert.deepEqual(answers[1].rows, rows);
  const parts = edges.said.filter(({ kind }) => kind === "answered");
  assert.ok(parts.length > 3);
  for (const part of parts) {
    assert.ok(new TextEncoder().encode(JSON.stringify(part)).length < MAX_PART_BYTES + 1_000);
  }
  edges.rows.set("b", []);
  await edges.clock.advanceAsync(2_000);
  assert.deepEqual((await a.ask(totals)).answers[1].rows, [], "none is an answer, too");
});

Deno.test("EdgeQuestions.ask() waits 1.5 seconds for an edge that was killed, and then no more than 250 ms until it is back", async () => {
  const edges = new Edges();
  const [a] = ["a", "b", "c"].map((id) => edges.add(id));
  edges.gone.add("b");
  const ask = () => a.ask({ kind: "drain", which: { tunnelId: "t" }, deadlineMs: 1 });
  const first = ask();
  await edges.clock.advanceAsync(ANSWER_MS - 1);
  assert.ok(edges.clock.pending > 0);
  await edges.clock.advanceAsync(1);
  const { answers, silent } = await first;
  assert.deepEqual([answers.map(({ edgeId }) => edgeId), silent], [["a", "c"], ["b"]]);
  const second = ask();
  await edges.clock.advanceAsync(SILENT_MS);
  assert.deepEqual((await second).silent, ["b"]);
  edges.gone.delete("b");
  assert.deepEqual((await ask()).silent, []);
  edges.gone.add("b");
  const third = ask();
  await edges.clock.advanceAsync(SILENT_MS);
  assert.ok(edges.clock.pending > 0, "it was there the last time");
  await edges.clock.advanceAsync(ANSWER_MS);
  assert.deepEqual((await third).silent, ["b"]);
});

Deno.test("EdgeQuestions keeps what others answered for a second, and never that they were told to do something", async () => {
  const edges = new Edges();
  const [a] = ["a", "b"].map((id) => edges.add(id));
  await Promise.all([a.ask(totals), a.ask(totals)]);
  assert.deepEqual(edges.asked.sort(), ["a totals", "a totals", "b totals"]);
  await edges.clock.advanceAsync(1_000);
  await a.ask(totals);
  assert.equal(edges.asked.filter((line) => line === "b totals").length, 2);
  const drain: EdgeQuestion = { kind: "drain", which: { agentId: "x" }, deadlineMs: 1 };
  await a.ask(drain);
  await a.ask(drain);
  assert.equal(edges.asked.filter((line) => line === "b drain").length, 2);
});

Deno.test("EdgeQuestions answers for this edge while the database is away, and ignores what nobody asked for", async () => {
  const edges = new Edges();
  const [a] = ["a", "b"].map((id) => edges.add(id));
  a.answered({
    kind: "answered",
    questionId: "x",
    to: "process-a",
    from: "process-b",
    part: 0,
    parts: 1,
    rows: [1],
  });
  a.asked({ kind: "asked", questionId: "x", from: "process-b", question: { kind: "of a newer version" } });
  assert.deepEqual(edges.asked, []);
  edges.isDown = true;
  assert.deepEqual(await a.ask(totals), { answers: [{ edgeId: "a", rows: ["a"] }], silent: ["b"] });
});
