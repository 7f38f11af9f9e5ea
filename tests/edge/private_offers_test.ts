import assert from "node:assert/strict";
import type { Channel, OfferAnswer } from "../../src/channel/mod.ts";
import { offerToOne } from "../../src/edge/private_offers.ts";
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

Deno.test("offerToOne() asks the agent with the least to do, and the next one only after a plain no", async () => {
  const [busy, idle, away] = [
    session({ agent: "busy" }),
    session({ agent: "idle" }),
    session({ agent: "away" }),
  ];
  const sessions = [busy, idle, away].map((each) => each.session);
  busy.session.requests = 5;
  away.session.lastEchoAt = 0;
  const asked: string[] = [];
  const offer = (refuse: Partial<Record<string, ErrorCode>>) => {
    asked.length = 0;
    // deno-lint-ignore require-await -- what it throws is a rejection
    return offerToOne(sessions, grant, async ({ agentId }) => {
      asked.push(agentId);
      const refusal = refuse[agentId];
      if (refusal !== undefined) throw new PosternError(refusal);
      return "key";
    });
  };
  assert.deepEqual(await offer({}), { agentId: "idle", staticKey: "key" });
  assert.equal(idle.session.requests, 1);
  for (
    const refusal of ["private_offer_refused", "private_offer_limit", "private_service_offline"] as const
  ) {
    assert.equal((await offer({ idle: refusal })).agentId, "busy");
  }
  for (const refusal of ["private_offer_timeout", "worker_unavailable"] as const) {
    await assert.rejects(offer({ idle: refusal }), code(refusal));
    assert.deepEqual(asked, ["idle"], "it may come after all");
  }
  await assert.rejects(
    offer({ idle: "private_offer_limit", busy: "private_offer_refused" }),
    code("private_offer_refused"),
  );
  await assert.rejects(
    offerToOne([away.session], grant, () => Promise.resolve("")),
    code("private_service_offline"),
  );
});
