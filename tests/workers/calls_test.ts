import assert from "node:assert/strict";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { CALL_TIMEOUT_MS, Calls, MAX_WAITING_CALLS } from "../../src/workers/calls.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

interface Near {
  note(text: string): void;
}
interface Far {
  double(number: number): Promise<number>;
  refuse(): never;
  break(): never;
  late(): Promise<void>;
}

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

class Pair {
  readonly clock = new VirtualClock();
  readonly notes: string[] = [];
  readonly logged: string[] = [];
  readonly near: Calls<Near, Far>;
  readonly far: Calls<Far, Near>;

  constructor() {
    const log = (_level: string, event: string) => void this.logged.push(event);
    this.near = new Calls<Near, Far>({
      clock: this.clock,
      log,
      post: (message) => this.far.receive(structuredClone(message)),
      ours: { note: (text) => void this.notes.push(text) },
    });
    this.far = new Calls<Far, Near>({
      clock: this.clock,
      log,
      post: (message) => this.near.receive(structuredClone(message)),
      ours: {
        double: (number) => Promise.resolve(2 * number),
        refuse() {
          throw new PosternError("agent_limit", "Cannot admit agent: full", { detail: { agents: 3 } });
        },
        break() {
          throw new Error("a flaw");
        },
        late: () => new Promise<void>(() => {}),
      },
    });
  }
}

Deno.test("Calls.ask() gets the answer, or the refusal with its code, message and detail", async () => {
  const { near, logged } = new Pair();
  assert.equal(await near.ask("double", 21), 42);
  await assert.rejects(near.ask("refuse"), (error: PosternError) => {
    assert.deepEqual([error.code, error.message, error.detail], ["agent_limit", "Cannot admit agent: full", {
      agents: 3,
    }]);
    return true;
  });
  assert.deepEqual(logged, []);
  await assert.rejects(near.ask("break"), code("internal_error"));
  assert.deepEqual(logged, ["call between workers failed"]);
});

Deno.test("Calls.ask() refuses with worker_unavailable what is not answered in time, what is too much, and after the end", async () => {
  const { near, far, clock } = new Pair();
  const late = near.ask("late").catch((error) => error);
  clock.advance(CALL_TIMEOUT_MS - 1);
  await settle();
  clock.advance(1);
  assert.equal((await late).code, "worker_unavailable");
  const waiting = Array.from({ length: MAX_WAITING_CALLS }, () => near.ask("late").catch((error) => error));
  await assert.rejects(near.ask("double", 1), code("worker_unavailable"));
  near.end();
  for (const each of waiting) assert.equal((await each).code, "worker_unavailable");
  await assert.rejects(near.ask("double", 1), code("worker_unavailable"));
  far.end();
});

Deno.test("Calls.tell() is carried out in order with what is asked, and what it throws is logged", async () => {
  const { near, far, notes, logged } = new Pair();
  far.tell("note", "one");
  assert.equal(await near.ask("double", 1), 2);
  far.tell("note", "two");
  assert.deepEqual(notes, ["one", "two"]);
  near.tell("break");
  await settle();
  assert.deepEqual(logged, ["call between workers failed"]);
});
