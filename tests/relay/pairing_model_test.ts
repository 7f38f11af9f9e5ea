import assert from "node:assert/strict";
import fc from "fast-check";
import { RELAY_LIMITS, type RelayLimits } from "../../src/relay/mod.ts";
import { RelayWorld, type Step } from "./relay_world.ts";

/** So small that every limit is met within a few steps. */
const tiny: RelayLimits = {
  ...RELAY_LIMITS,
  maxConnections: 4,
  maxConnectionsPerAddress: 3,
  maxChannels: 2,
  maxWaiting: 1,
  maxChannelsPerTenant: 1,
  attachMs: 10_000,
  maxBytesPerChannel: 250,
  maxBytesPerTenant: 350,
  tenantWindowMs: 40_000,
  maxReplacements: 1,
  replacementWindowMs: 10_000,
};

const facts = (channelId: string, role: "client" | "server", tenant = channelId) => ({
  channelId,
  role,
  tenant,
  initExp: 20,
  idleTimeoutMs: 15_000,
});
const tokens = [facts("one", "client"), facts("one", "server"), facts("two", "client")];

/** Every step that could matter in this state: connections are alike until they hold a token. */
function stepsIn(world: RelayWorld): Step[] {
  const { halves } = world.reference;
  const steps: Step[] = [{ do: "enter", address: "192.0.2.1" }, { do: "due" }, { do: "wait", ms: 6_000 }];
  steps.push({ do: "cut", tenant: "one" }, { do: "drain" });
  const arrived = halves.find(({ state }) => state === "arrived");
  if (arrived !== undefined) { for (const as of tokens) steps.push({ do: "reserve", id: arrived.id, as }); }
  for (const { id, state } of halves) {
    if (state === "reserved") steps.push({ do: "seat", id });
    if (state === "paired") steps.push({ do: "pass", id, bytes: 100 });
    if (state !== "arrived" || id === arrived?.id) steps.push({ do: "leave", id });
  }
  return steps;
}

/** All states that are reached from a path within so many steps, each once. Returns how many states and steps those were. */
function explore(limits: RelayLimits, begin: readonly Step[], depth: number, steps = stepsIn) {
  const replay = (path: readonly Step[]) => {
    const world = new RelayWorld(limits);
    for (const step of path) world.run(step);
    return world;
  };
  const seen = new Set<string>();
  let made = 0;
  let level: (readonly Step[])[] = [begin];
  for (let at = 0; at < depth; at++) {
    const next: (readonly Step[])[] = [];
    for (const path of level) {
      for (const step of steps(replay(path))) {
        const world = replay(path);
        world.run(step);
        made++;
        const key = world.reference.key(world.now);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push([...path, step]);
      }
    }
    level = next;
  }
  for (const path of level) replay(path).settle();
  return { states: seen.size, made };
}

Deno.test("Pairing: every interleaving of up to 9 events from nothing does what the rules say", () => {
  const { states, made } = explore(tiny, [], 9);
  assert.ok(states > 1_000 && made > 10_000, `${states} states, ${made} steps`);
});

const enter: Step = { do: "enter", address: "192.0.2.1" };
const paired: Step[] = [
  enter,
  enter,
  { do: "reserve", id: 0, as: tokens[0] },
  { do: "reserve", id: 1, as: tokens[1] },
  { do: "seat", id: 0 },
  { do: "seat", id: 1 },
];

Deno.test("Pairing: every interleaving of up to 6 events from a pair, with replacements, does what the rules say", () => {
  const { states, made } = explore(
    { ...tiny, maxWaiting: 2, maxReplacements: 2 },
    [...paired, enter, enter],
    6,
  );
  assert.ok(states > 500 && made > 5_000, `${states} states, ${made} steps`);
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("enter"), address: fc.constantFrom("192.0.2.1", "192.0.2.2") }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("reserve"),
      id: fc.nat(15),
      as: fc.record({
        channelId: fc.constantFrom("one", "two", "three"),
        role: fc.constantFrom("client", "server"),
        tenant: fc.constantFrom("a", "a", "a", "b"),
        initExp: fc.constantFrom(60, 60, 60, 61),
        idleTimeoutMs: fc.constantFrom(15_000, 15_000, 15_000, 16_000),
      }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("seat", "leave"), id: fc.nat(15) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("pass"), id: fc.nat(15), bytes: fc.nat(120) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cut"), tenant: fc.constantFrom("a", "b") }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(9_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("due") }) },
) as fc.Arbitrary<Step>;

Deno.test("Pairing: any long run of events does what the rules say, and everything counted comes back to zero", () => {
  const limits = {
    ...tiny,
    maxConnections: 6,
    maxConnectionsPerAddress: 4,
    maxChannels: 3,
    maxWaiting: 2,
    maxChannelsPerTenant: 2,
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new RelayWorld(limits);
      for (const one of steps) if (!("id" in one) || one.id < world.holders.length) world.run(one);
      world.settle();
    }),
    { numRuns: 300 },
  );
});
