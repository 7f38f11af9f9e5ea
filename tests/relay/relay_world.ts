/** A pairing machine beside its slow twin: every step is made by both, and both have to say the same. */
import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import {
  type AttachFacts,
  type HalfEvents,
  Pairing,
  type RelayHalf,
  type RelayLimits,
  type RelayReason,
} from "../../src/relay/mod.ts";
import { PairingReference } from "../reference/relay_pairing.ts";

/** How late an end may be noticed. */
const grainMs = 250;

class Holder implements HalfEvents<Holder> {
  half: RelayHalf<Holder> | undefined;
  ends: RelayReason[] = [];
  other: Holder | undefined;

  constructor(readonly id: number, readonly told: string[]) {}

  onPaired(other: Holder): void {
    this.other = other;
    this.told.push(`${this.id} paired with ${other.id}`);
  }
  onEnd(reason: RelayReason): void {
    this.ends.push(reason);
    this.told.push(`${this.id} over: ${reason}`);
  }
}

export type Step =
  | { readonly do: "enter"; readonly address: string }
  | { readonly do: "reserve"; readonly id: number; readonly as: Omit<AttachFacts, "initEndsAt"> }
  | { readonly do: "seat" | "leave"; readonly id: number }
  | { readonly do: "pass"; readonly id: number; readonly bytes: number }
  | { readonly do: "cut"; readonly tenant: string }
  | { readonly do: "drain" }
  /** Until the next thing ends by itself, or for so long. */
  | { readonly do: "due" }
  | { readonly do: "wait"; readonly ms: number };

export class RelayWorld {
  readonly machine: Pairing<Holder>;
  readonly reference: PairingReference;
  readonly holders: Holder[] = [];
  readonly limits: RelayLimits;
  now = 0;
  #told: string[] = [];
  #lookedAt = -Infinity;

  constructor(limits: RelayLimits) {
    this.limits = limits;
    this.machine = new Pairing(limits);
    this.reference = new PairingReference(limits);
  }

  /** The code or answer of the step, which both have given. */
  run(step: Step): string {
    const { machine, reference, now } = this;
    switch (step.do) {
      case "enter": {
        const holder = new Holder(this.holders.length, this.#told);
        const answer = answerOf(() => holder.half = machine.enter(holder, step.address, now));
        if (answer === "ok") this.holders.push(holder);
        return this.#same(answer, reference.enter(holder.id, step.address, now));
      }
      case "reserve": {
        const facts = { ...step.as, initEndsAt: step.as.initExp * 1_000 };
        const { half } = this.holders[step.id];
        return this.#same(
          answerOf(() => machine.reserve(half!, facts, now)),
          reference.reserve(step.id, facts, now),
        );
      }
      case "seat":
        return this.#same(
          answerOf(() => machine.seat(this.holders[step.id].half!, now)),
          reference.seat(step.id, now),
        );
      case "pass": {
        const { half, other } = this.holders[step.id];
        const receiver = half?.state === "paired" ? other : undefined;
        const answer = answerOf(() => machine.pass(half!, step.bytes, now));
        // A record goes to the other half of the same channel, to nobody else.
        if (answer === "ok") {
          const [of, to] = [reference.half(step.id), reference.half(receiver!.id)];
          assert.equal(to?.facts?.channelId, of!.facts!.channelId);
          assert.notEqual(to.facts!.role, of!.facts!.role);
        }
        return this.#same(answer, reference.pass(step.id, step.bytes, now));
      }
      case "leave":
        machine.leave(this.holders[step.id].half!, "canceled");
        reference.leave(step.id, "canceled");
        return this.#same("ok", "ok");
      case "cut":
        machine.cut((tenant) => tenant === step.tenant, "revoked");
        reference.cut(step.tenant);
        return this.#same("ok", "ok");
      case "drain":
        machine.drain();
        reference.drain();
        return this.#same("ok", "ok");
      case "due":
        return this.#until(machine.deadline);
      case "wait":
        return this.#until(now + step.ms);
      default:
        return step satisfies never;
    }
  }

  #until(at: number): string {
    const { machine, reference } = this;
    if (at === Infinity) return this.#same("ok", "ok");
    while (machine.deadline <= at) {
      assert.ok(machine.deadline >= this.now || this.#lookedAt === -Infinity, "no deadline lies in the past");
      this.now = Math.max(this.now, machine.deadline);
      machine.timeout(this.now);
      reference.timeout(this.now);
      this.#lookedAt = this.now;
      this.#same("ok", "ok");
    }
    this.now = Math.max(this.now, at);
    return this.#same("ok", "ok");
  }

  #same(answer: string, expected: string): string {
    assert.equal(answer, expected);
    assert.deepEqual(this.#told, this.reference.told);
    this.check();
    return answer;
  }

  /** What holds at all times. */
  check(): void {
    const { machine, reference, holders, limits } = this;
    for (const { id, half, ends } of holders) {
      // Every connection ends once, by a reason, and not before it is over.
      assert.equal(ends.length, half!.state === "over" ? 1 : 0);
      assert.equal(half!.state, reference.half(id)?.state ?? "over");
    }
    for (const channelId of reference.channels) {
      for (const role of ["client", "server"]) assert.ok(reference.seated(channelId, role).length <= 1);
      const states = reference.seated(channelId).map(({ state }) => state);
      assert.ok(states.every((state) => state === (states.length === 2 ? "paired" : "waiting")));
    }
    const { counts } = machine;
    const { channels } = reference;
    assert.equal(counts.connections, reference.halves.length);
    assert.equal(counts.addresses, new Set(reference.halves.map(({ address }) => address)).size);
    assert.equal(counts.channels, channels.length);
    assert.equal(counts.waiting, channels.filter((channel) => reference.isWaiting(channel)).length);
    assert.equal(counts.paired, channels.filter((channel) => reference.isPaired(channel)).length);
    assert.ok(counts.connections <= limits.maxConnections && counts.channels <= limits.maxChannels);
    assert.ok(counts.waiting <= limits.maxWaiting, "waiting channels stay within their limit");
    const views = machine.channels.map(({ channelId, state }) => `${channelId} ${state}`).sort();
    assert.deepEqual(
      views,
      channels.map((channel) => {
        const seated = reference.seated(channel).length;
        return `${channel} ${["reserved", "waiting", "paired"][seated]}`;
      }).sort(),
    );
    // What ends by itself is looked at in time.
    for (const { at } of reference.ends()) {
      assert.ok(machine.deadline <= Math.max(at, this.#lookedAt + grainMs), "an end is noticed in time");
    }
  }

  /** Ends everybody and lets all be forgotten: then nothing is counted any more. */
  settle(): void {
    for (const { id } of this.holders) this.run({ do: "leave", id });
    this.run({
      do: "wait",
      ms: 2 * Math.max(this.limits.tenantWindowMs, this.limits.replacementWindowMs) + 20_000,
    });
    assert.deepEqual(this.machine.counts, {
      connections: 0,
      addresses: 0,
      channels: 0,
      waiting: 0,
      paired: 0,
      tenants: 0,
      replaced: 0,
    });
    assert.equal(this.machine.deadline, Infinity);
  }
}

function answerOf(call: () => unknown): string {
  try {
    return call() === false ? "over" : "ok";
  } catch (error) {
    if (error instanceof PosternError) return error.code;
    throw error;
  }
}
