import assert from "node:assert/strict";
import fc from "fast-check";
import { CHANNEL_LIMITS, REKEY_LIMITS, takesNewStreams } from "../../src/channel/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { type ChannelEnd, ChannelPair } from "../support/channel_pair.ts";
import { pattern, StreamUser } from "../support/mux_pair.ts";

/** What this side of a stream has promised. */
interface Flow {
  readonly end: ChannelEnd;
  readonly user: StreamUser;
  readonly ours: boolean;
  offered: number;
  ended: boolean;
}

const side = fc.constantFrom("agent" as const, "edge" as const);
const of = <T extends string>(name: T, n: number, weight: number) => ({
  weight,
  arbitrary: fc.record({ do: fc.constant(name), side, n: fc.nat(n) }),
});
const traffic = [
  of("open", 10, 4),
  of("offer", 100_000, 8),
  of("end", 10, 4),
  of("reset", 10, 1),
  of("take", 3, 12),
  of("deliver", 4, 12),
  of("time", 2_000, 4),
  of("reauth", 10, 3),
];
const command = fc.oneof(...traffic, of("drain", 20_000, 1));
const violent = fc.oneof(...traffic, of("drain", 20_000, 1), of("close", 1, 1), of("cut", 1, 1));

class Model {
  readonly pair = new ChannelPair({ limits: { rekey: { ...REKEY_LIMITS, records: 7 } } });
  readonly flows: Flow[] = [];

  constructor() {
    for (const end of this.pair.ends) {
      end.answer = () => {
        const user = new StreamUser(true);
        this.flows.push({ end, user, ours: false, offered: 0, ended: false });
        return user;
      };
    }
    this.pair.start();
  }

  run({ do: what, side, n }: { do: string; side: "agent" | "edge"; n: number }): void {
    const { pair } = this;
    const end = pair[side];
    const flows = this.flows.filter((flow) => flow.end === end);
    const flow = flows[n % Math.max(1, flows.length)];
    switch (what) {
      case "open":
        if (!takesNewStreams(end.channel.state)) return;
        return void this.flows.push({ end, user: end.open(), ours: true, offered: 0, ended: false });
      case "offer":
        if (flow === undefined || flow.ended || flow.user.stream.gone) return;
        flow.user.stream.offer(pattern(n, flow.offered));
        flow.offered += n;
        return;
      case "end":
        if (flow === undefined || flow.user.stream.gone) return;
        flow.ended = true;
        return flow.user.stream.end();
      case "reset":
        return flow?.user.stream.reset("cancelled");
      case "take": // some of what it has to say: the rest waits for the carrier
        for (let i = 0; i <= n; i++) {
          const record = end.takeRecord();
          if (record !== undefined) pair.other(end).inbox.push(record);
        }
        return;
      case "deliver":
        for (let i = 0; i <= n && pair.deliver(end); i++);
        return;
      case "time":
        pair.now += n;
        for (const { channel } of pair.ends) if (pair.now >= channel.deadline) channel.timeout(pair.now);
        return;
      case "reauth":
        if (pair.edge.channel.state === "established") pair.edge.channel.reauthenticate(200_000, pair.now);
        return;
      case "drain":
        return end.channel.drain("draining", 200_000 + n, pair.now);
      case "close":
        return end.channel.close(n === 0 ? undefined : new PosternError("session_fenced"), pair.now);
      case "cut":
        return end.channel.carrierEnded(pair.now);
    }
  }

  pairs(): [Flow, Flow][] {
    return this.flows.filter((flow) => flow.ours).flatMap((flow) => {
      const peer = this.flows.find((other) =>
        !other.ours && other.end !== flow.end && other.user.stream.id === flow.user.stream.id
      );
      return peer === undefined ? [] : [[flow, peer], [peer, flow]] as [Flow, Flow][];
    });
  }

  /** Holds at every moment and in every end: order, nothing invented, an end only behind all bytes. */
  check(): void {
    for (const [from, to] of this.pairs()) {
      assert.ok(to.user.receivedBytes <= from.offered);
      if (to.user.ended) assert.equal(to.user.receivedBytes, from.offered, "ended before all had come");
    }
    for (const end of this.pair.ends) {
      assert.notEqual(end.channel.reason, "internal_error", String(end.error?.stack));
    }
  }

  checkBytes(): void {
    for (const [, to] of this.pairs()) assert.deepEqual(to.user.bytes, pattern(to.user.receivedBytes));
  }
}

Deno.test("Channel: over a slow but orderly link two channels lose nothing, through rekeys and drains", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 120, size: "max" }), fc.nat(3), (commands, early) => {
      const model = new Model();
      const { pair } = model;
      if (early > 0) pair.settle();
      for (const each of commands) {
        model.run(each);
        model.check();
        if (pair.ends.some((end) => end.ended)) break;
      }
      const timedOut = pair.ends.some((end) => end.error !== undefined);
      for (let i = 0; i < 10; i++) {
        pair.settle();
        for (const flow of model.flows) {
          if (flow.ended) continue;
          flow.ended = true;
          flow.user.stream.end();
        }
      }
      model.check();
      model.checkBytes();
      for (const flow of model.flows) assert.ok(flow.user.stream.gone);
      // Time was short for the commands alone: whoever was held up for a whole step or heartbeat may have ended.
      if (timedOut) return;
      for (const end of pair.ends) assert.equal(end.error, undefined);
      for (const [from, to] of model.pairs()) {
        if (!from.user.stream.cut && !to.user.stream.cut) assert.equal(to.user.receivedBytes, from.offered);
        assert.ok(to.user.reset === undefined || to.user.reset === "cancelled", to.user.reset);
      }
      for (const flow of model.flows) {
        const late = flow.ours && flow.user.reset === "draining";
        assert.equal(late, false, "a stream was lost in the race with GOAWAY");
      }
      pair.agent.channel.drain("draining", CHANNEL_LIMITS.stepMs, pair.now);
      pair.settle();
      for (const end of pair.ends) assert.equal(end.channel.state, "closed");
      pair.assertEnded();
    }),
    { numRuns: 400 },
  );
});

Deno.test("Channel: whatever happens when, both sides come to an end and nothing is left", () => {
  fc.assert(
    fc.property(fc.array(violent, { maxLength: 100, size: "max" }), fc.nat(7), (commands, variant) => {
      const linkWorks = variant % 2 === 0;
      const model = new Model();
      const { pair } = model;
      if (variant > 1) pair.settle();
      for (const each of commands) {
        model.run(each);
        model.check();
      }
      if (!linkWorks) pair.link = () => [];
      pair.settle();
      for (const end of pair.ends) end.channel.close(new PosternError("tunnel_deleted"), pair.now);
      pair.advance(2 * CHANNEL_LIMITS.stepMs, linkWorks ? () => pair.settle() : () => {});
      model.check();
      model.checkBytes();
      pair.cut();
      pair.assertEnded();
      for (const flow of model.flows) assert.ok(flow.user.stream.gone);
      for (const end of pair.ends) {
        assert.equal(end.states.filter((state) => state === "closed" || state === "failed").length, 1);
        const key = end.core.importKey(new Uint8Array(32));
        assert.ok(key % 16_384 < 2, "a key slot is left");
      }
    }),
    { numRuns: 400 },
  );
});
