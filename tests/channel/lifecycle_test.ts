import assert from "node:assert/strict";
import {
  carriesTraffic,
  type ChannelState,
  isTerminal,
  Lifecycle,
  takesNewStreams,
} from "../../src/channel/mod.ts";

/** The diagram once more, as arrows. */
const ARROWS = new Set([
  "idle connecting",
  "connecting handshaking",
  "connecting closing",
  "handshaking authenticating",
  "handshaking closing",
  "authenticating authorizing",
  "authenticating closing",
  "authorizing established",
  "authorizing closing",
  "established revalidating",
  "established degraded",
  "established draining",
  "established closing",
  "revalidating established",
  "revalidating degraded",
  "revalidating draining",
  "revalidating closing",
  "degraded established",
  "degraded revalidating",
  "degraded draining",
  "degraded closing",
  "draining closing",
  "closing closed",
]);
const STATES = [...new Set([...ARROWS].flatMap((arrow) => arrow.split(" "))), "failed"] as ChannelState[];

/** Shortest way from idle to each state that `to` reaches. */
function ways(): Map<ChannelState, ChannelState[]> {
  const found = new Map<ChannelState, ChannelState[]>([["idle", []]]);
  for (const [state, way] of found) {
    for (const next of STATES) {
      if (ARROWS.has(`${state} ${next}`) && !found.has(next)) found.set(next, [...way, next]);
    }
  }
  return found;
}

function at(way: readonly ChannelState[], seen: string[] = []): Lifecycle {
  const lifecycle = new Lifecycle((state, before) => void seen.push(`${before} ${state}`));
  for (const state of way) lifecycle.to(state);
  return lifecycle;
}

Deno.test("Lifecycle takes the steps of the diagram and no other", () => {
  assert.equal(ways().size, STATES.length - 1, "every state but failed is reached by steps");
  for (const [state, way] of ways()) {
    for (const next of STATES) {
      const seen: string[] = [];
      const lifecycle = at(way, seen);
      if (ARROWS.has(`${state} ${next}`)) {
        lifecycle.to(next);
        assert.equal(lifecycle.state, next);
        assert.equal(seen.at(-1), `${state} ${next}`);
      } else {
        assert.throws(() => lifecycle.to(next), TypeError, `${state} to ${next}`);
        assert.equal(lifecycle.state, state);
        assert.equal(seen.length, way.length);
      }
    }
  }
});

Deno.test("Lifecycle.fail() ends every state that is not terminal, and terminal ones are never left", () => {
  for (const [state, way] of ways()) {
    const seen: string[] = [];
    const lifecycle = at(way, seen);
    lifecycle.fail("peer_closed");
    lifecycle.fail("internal_error");
    if (state === "closed") {
      assert.deepEqual([lifecycle.state, lifecycle.reason, seen.length], ["closed", undefined, way.length]);
      continue;
    }
    assert.deepEqual([lifecycle.state, lifecycle.reason], ["failed", "peer_closed"]);
    assert.equal(seen.at(-1), `${state} failed`);
    for (const next of STATES) assert.throws(() => lifecycle.to(next), TypeError);
  }
});

Deno.test("carriesTraffic(), takesNewStreams() and isTerminal() tell what a state allows", () => {
  assert.deepEqual(STATES.filter(carriesTraffic), ["established", "revalidating", "degraded", "draining"]);
  assert.deepEqual(STATES.filter(takesNewStreams), ["established", "revalidating"]);
  assert.deepEqual(STATES.filter(isTerminal), ["closed", "failed"]);
});
