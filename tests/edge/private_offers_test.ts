import assert from "node:assert/strict";
import type { Channel, OfferAnswer } from "../../src/channel/mod.ts";
import { offerToAgent } from "../../src/edge/private_offers.ts";
import { OFFER_TIMEOUT_MS, SessionOffers } from "../../src/edge/session_offers.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { ChannelInitGrant } from "../../src/grants/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { session } from "./agents.ts";

const grant = { channel_id: "c".repeat(32) } as ChannelInitGrant;
const answer: OfferAnswer = { staticKey: "K".repeat(43) };
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

function setup(offer: Channel["offer"] = (() => ++setup.offers) as Channel["offer"]) {
  const clock = new VirtualClock();
  return { clock, offers: new SessionOffers({ offer }, clock) };
}
setup.offers = 0;

Deno.test("SessionOffers.offer() resolves with the key of the agent's answer to it", async () => {
  const { offers } = setup();
  const [first, second] = [offers.offer(grant), offers.offer(grant)];
  offers.answered(setup.offers, { error: "grant_expired" });
  offers.answered(setup.offers - 1, answer);
  assert.equal(await first, "K".repeat(43));
  await assert.rejects(second, (error) => {
    assert.ok(code("private_offer_refused")(error));
    assert.equal((error as PosternError).detail.agent_code, "grant_expired");
    return true;
  });
});

Deno.test("SessionOffers.offer() waits so long and no longer: private_offer_timeout; a later answer is nobody's", async () => {
  const { clock, offers } = setup();
  const waiting = offers.offer(grant);
  const refused = assert.rejects(waiting, code("private_offer_timeout"));
  clock.advance(OFFER_TIMEOUT_MS);
  await refused;
  offers.answered(setup.offers, answer);
  assert.equal(clock.pending, 0);
});

Deno.test("SessionOffers.offer() ends with its channel: private_service_offline", async () => {
  const { clock, offers } = setup();
  const refused = assert.rejects(offers.offer(grant), code("private_service_offline"));
  offers.ended();
  await refused;
  assert.equal(clock.pending, 0);
  for (
    const [thrown, told] of [
      ["channel_closed", "private_service_offline"],
      ["peer_draining", "private_service_offline"],
      ["private_offer_limit", "private_offer_limit"],
    ] as const
  ) {
    const { offers } = setup(() => {
      throw new PosternError(thrown);
    });
    await assert.rejects(offers.offer(grant), code(told));
  }
});

Deno.test("offerToAgent() asks by a session of the agent, and by another one only where that has gone", async () => {
  const [first, second, other] = [session({ agent: "a" }), session({ agent: "a" }), session({ agent: "b" })];
  const sessions = [other, first, second].map((each) => each.session);
  const asked: string[] = [];
  const offer = (agentId: string, refusal?: ErrorCode) => {
    asked.length = 0;
    // deno-lint-ignore require-await -- what it throws is a rejection
    return offerToAgent(sessions, agentId, grant, async ({ id }) => {
      asked.push(id);
      if (refusal !== undefined && asked.length === 1) throw new PosternError(refusal);
      return "key";
    });
  };
  assert.deepEqual(await offer("a"), { agentId: "a", staticKey: "key" });
  assert.deepEqual([asked, first.session.requests], [[first.session.id], 1]);
  assert.equal((await offer("a", "private_service_offline")).agentId, "a");
  assert.deepEqual(asked, [first.session.id, second.session.id]);
  for (
    const refusal of [
      "private_offer_refused",
      "private_offer_limit",
      "private_offer_timeout",
      "worker_unavailable",
    ] as const
  ) {
    await assert.rejects(offer("a", refusal), code(refusal));
    assert.equal(asked.length, 1);
  }
  for (const each of [first, second]) each.session.lastEchoAt = 0;
  await assert.rejects(offer("a"), code("private_service_offline"));
  await assert.rejects(offer("nobody"), code("private_service_offline"));
});
