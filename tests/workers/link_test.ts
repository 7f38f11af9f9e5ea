import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import { UnreadBudget } from "../../src/mux/mod.ts";
import type { ResetReason, StreamOpening } from "../../src/wire/mod.ts";
import { WorkerLink } from "../../src/workers/link.ts";
import { OPENING, StreamUser } from "../support/mux_pair.ts";
import { eventually } from "../support/stack.ts";

class Pair implements Disposable {
  readonly opened: [sessionId: string, opening: StreamOpening][] = [];
  answer: () => StreamUser | ResetReason = () => new StreamUser(true);
  readonly near: WorkerLink;
  readonly far: WorkerLink;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    const common = { unread: new UnreadBudget(1e9), now: () => performance.now() };
    this.near = new WorkerLink({ ...common, port: port1, initiator: true, onOpen: () => "class_denied" });
    this.far = new WorkerLink({
      ...common,
      port: port2,
      initiator: false,
      onOpen: (sessionId, opening, stream) => {
        this.opened.push([sessionId, opening]);
        const answer = this.answer();
        if (typeof answer !== "string") answer.stream = stream;
        return answer;
      },
    });
  }

  open(): StreamUser {
    const user = new StreamUser(true);
    user.stream = this.near.open("session-1", OPENING, user);
    return user;
  }

  [Symbol.dispose](): void {
    this.near.close();
    this.far.close();
  }
}

Deno.test("WorkerLink.open() opens a stream for a session at the other worker, which sees the viewer's own opening", async () => {
  using pair = new Pair();
  const far = new StreamUser(true);
  pair.answer = () => far;
  const near = pair.open();
  const sent = Uint8Array.from({ length: 3_000_000 }, (_, at) => at % 251);
  near.stream.offer(sent);
  near.stream.end();
  await eventually("all has come", () => far.ended);
  assert.deepEqual(far.bytes, sent);
  assert.deepEqual(pair.opened, [["session-1", OPENING]]);
  far.stream.end();
  await eventually("both have ended", () => near.ended && pair.near.openStreams === 0);
});

Deno.test("WorkerLink tells why a stream was not taken, so that another session can be tried", async () => {
  using pair = new Pair();
  const cases: [() => StreamUser | ResetReason, ResetReason][] = [
    [() => "draining", "draining"],
    [() => {
      throw new PosternError("channel_closed");
    }, "draining"],
    [() => {
      throw new PosternError("unread_limit");
    }, "stream_limit"],
  ];
  for (const [answer, expected] of cases) {
    pair.answer = answer;
    const user = pair.open();
    await eventually("it is refused", () => user.reset !== undefined);
    assert.equal(user.reset, expected);
  }
});

Deno.test("WorkerLink.close() cuts its streams and opens no more", () => {
  const pair = new Pair();
  const user = pair.open();
  pair[Symbol.dispose]();
  assert.equal(user.reset, "channel_lost");
  assert.throws(() => pair.open(), (error: PosternError) => error.code === "channel_closed");
});
