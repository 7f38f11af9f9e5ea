import { issueStage0, spendToken, verifyStage0 } from "../../src/identity/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { atEdge, countingRandom, newKeyset, nowMs, refusedWith, stage0Draft } from "./support.ts";

Deno.test("spendToken() accepts a token once, as long as any verifier accepts it: token_replayed", async () => {
  let wallMs = nowMs;
  const store = openSqliteStore(":memory:", { wall: () => wallMs });
  const keyset = await newKeyset();
  const { token } = await issueStage0(stage0Draft, keyset, {
    nowMs,
    random: countingRandom(),
    ttlSeconds: 60,
  });
  const claims = await verifyStage0(token, keyset, atEdge);
  await spendToken(store, "stage0", claims);
  await refusedWith("token_replayed", spendToken(store, "stage0", claims));
  wallMs = claims.exp * 1_000 + 29_999;
  await verifyStage0(token, keyset, { ...atEdge, nowMs: wallMs });
  await refusedWith("token_replayed", spendToken(store, "stage0", claims));
  await store.close();
});
