import assert from "node:assert/strict";
import fc from "fast-check";
import { PosternError } from "../../src/errors/mod.ts";
import { CHANNEL_WINDOW_BYTES, MUX_LIMITS, STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";
import { STREAM_CLASSES } from "../../src/wire/mod.ts";
import { MuxEnd, MuxPair, OPENING, pattern, StreamUser } from "../support/mux_pair.ts";

/** One side of one stream, and what it has promised. */
interface Flow {
  readonly end: MuxEnd;
  readonly user: StreamUser;
  offered: number;
  ended: boolean;
  peer?: Flow;
}

const side = fc.constantFrom("a" as const, "b" as const);
const command = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("open" as const), side, n: fc.nat(10) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("offer" as const), side, n: fc.nat(400_000) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("consume" as const), side, n: fc.nat(400_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end" as const), side, n: fc.nat(3_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reset" as const), side, n: fc.nat(10) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("send" as const), side, n: fc.nat(65_000) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("deliver" as const), side, n: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), side, n: fc.nat(30) }) },
);

class Model {
  readonly pair: MuxPair;
  readonly flows: { a: Flow[]; b: Flow[] } = { a: [], b: [] };

  constructor(channelWindowBytes: number) {
    const limits = { channelWindowBytes, maxStreamWindowBytes: 4 * STREAM_WINDOW_BYTES, maxStreams: 8 };
    this.pair = new MuxPair({ a: limits, b: limits });
    this.pair.a.mux.rttMs = this.pair.b.mux.rttMs = 10;
    for (const name of ["a", "b"] as const) {
      const end = this.pair[name];
      end.answer = (stream) => {
        const user = new StreamUser();
        user.stream = stream;
        const flow: Flow = { end, user, offered: 0, ended: false };
        const opener = this.flows[name === "a" ? "b" : "a"].find((other) =>
          other.user.stream.id === stream.id
        );
        flow.peer = opener;
        opener!.peer = flow;
        this.flows[name].push(flow);
        return user;
      };
    }
  }

  run({ do: what, side, n }: { do: string; side: "a" | "b"; n: number }): void {
    const end = this.pair[side];
    const flows = this.flows[side];
    const flow = flows[n % Math.max(1, flows.length)];
    switch (what) {
      case "open": {
        const user = new StreamUser();
        flows.push({ end, user, offered: 0, ended: false });
        end.open(user, { ...OPENING, class: n % STREAM_CLASSES.length });
        return;
      }
      case "offer":
        if (flow === undefined || flow.ended || flow.user.stream.gone) return;
        flow.user.stream.offer(pattern(n, flow.offered));
        flow.offered += n;
        return;
      case "consume":
        return flow?.user.consume(Math.min(n, flow.user.unread));
      case "end":
        if (flow === undefined || flow.user.stream.gone) return;
        flow.ended = true;
        return flow.user.stream.end(n % 3 === 0 ? pattern(n) : undefined);
      case "reset":
        // What it holds is consumed later all the same: writes under way end when they end.
        flow?.user.stream.reset("cancelled");
        return;
      case "send":
        return void this.pair.send(end, 600 + n);
      case "deliver":
        for (let i = 0; i <= n && this.pair.deliver(end); i++);
        return;
      case "wait":
        this.pair.now += n;
    }
  }

  check(): void {
    for (const flow of [...this.flows.a, ...this.flows.b]) {
      const { peer, user } = flow;
      if (peer === undefined) continue;
      const bytes = peer.user.receivedBytes;
      assert.ok(bytes <= flow.offered);
      if (peer.user.ended) assert.ok(flow.ended && bytes === flow.offered, "ended before all had come");
      assert.ok(user.stream.receiveCredit.held <= user.stream.receiveCredit.windowBytes || user.stream.cut);
    }
  }

  /** Everybody reads, ends, and lets things settle. */
  finish(): void {
    const all = () => [...this.flows.a, ...this.flows.b];
    for (let i = 0; i < 400; i++) {
      this.pair.settle();
      for (const { user } of all()) user.consume(user.unread);
      for (const flow of all()) {
        if (flow.ended || flow.user.stream.gone) continue;
        flow.ended = true;
        flow.user.stream.end();
      }
      if (all().every(({ user }) => user.stream.gone && user.unread === 0)) break;
    }
    this.pair.settle();
    for (const flow of all()) {
      assert.ok(flow.user.stream.gone, "a stream is left");
      if (flow.peer === undefined || flow.user.stream.cut || flow.peer.user.stream.cut) continue;
      assert.equal(flow.peer.user.receivedBytes, flow.offered, "bytes were lost");
    }
    for (const flow of all()) {
      if (flow.peer !== undefined) {
        assert.deepEqual(
          flow.peer.user.bytes,
          pattern(flow.peer.user.receivedBytes),
          "bytes came out of order",
        );
      }
    }
  }
}

Deno.test("Mux: any interleaving of two muxes keeps order and completeness, and gives all credit back", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(CHANNEL_WINDOW_BYTES, 2 * CHANNEL_WINDOW_BYTES),
      fc.array(command, { maxLength: 150, size: "max" }),
      (channelWindowBytes, commands) => {
        const model = new Model(channelWindowBytes);
        for (const each of commands) {
          model.run(each);
          model.check();
        }
        model.finish();
        const { a, b } = model.pair;
        for (const [sender, receiver] of [[a, b], [b, a]]) {
          const { unread, receivable, growth } = receiver.mux.credit;
          assert.equal(receiver.mux.openStreams, 0);
          assert.equal(unread, 0, "unread bytes are still counted");
          assert.equal(sender.mux.credit.sendable, receivable, "the ledgers disagree");
          assert.ok(receivable > channelWindowBytes / 2);
          assert.equal(growth, channelWindowBytes / 2, "growth leaked");
          assert.equal(sender.mux.pending, false);
        }
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("Mux: abandoning one side in the middle leaves nothing behind on it", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
      const model = new Model(CHANNEL_WINDOW_BYTES);
      for (const each of commands) model.run(each);
      model.pair.a.mux.abandon("channel_lost");
      assert.equal(model.pair.a.mux.openStreams, 0);
      for (const { user } of model.flows.a) assert.ok(user.stream.gone);
      while (model.pair.send(model.pair.a));
      assert.equal(model.pair.a.mux.pending, false);
    }),
    { numRuns: 50 },
  );
});

Deno.test("Mux.receive() throws nothing but PosternError for mutated bodies of real traffic", () => {
  const { pair } = (() => {
    const model = new Model(CHANNEL_WINDOW_BYTES);
    const steps = ["open", "open", "offer", "offer", "end", "open", "offer", "reset"];
    steps.forEach((what, i) => model.run({ do: what, side: "a", n: 700 + i }));
    return model;
  })();
  const body = pair.a.takeBody();
  assert.ok(body.length > 1_000);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(body.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(body.length),
      (changes, end) => {
        const mutated = body.slice(0, end);
        for (const [at, value] of changes) if (at < end) mutated[at] = value;
        const victim = new MuxEnd(false, MUX_LIMITS);
        try {
          victim.receive(mutated);
        } catch (error) {
          assert.ok(error instanceof PosternError, String(error));
          assert.match(error.code, /^(frame|stream|credit)_/);
        }
      },
    ),
    { numRuns: 400 },
  );
});
