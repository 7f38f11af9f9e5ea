import assert from "node:assert/strict";
import { decideUpgrade, type Held, type Wanted } from "../../src/release/mod.ts";
import { createdMs, makeManifest } from "./made_release.ts";

const wanted: Wanted = { channel: "stable", pin: null, labels: [] };
const held: Held = { version: "1.0.0", platform: "here", id: "agent-a", newestCreatedMs: undefined };
const nowMs = createdMs + 1_000;
const manifest = makeManifest();

function refuses(
  code: string,
  changes: Partial<typeof manifest>,
  want: Partial<Wanted> = {},
  has: Partial<Held> = {},
  at = nowMs,
) {
  assert.throws(() => decideUpgrade(makeManifest(changes), { ...wanted, ...want }, { ...held, ...has }, at), {
    code,
  });
}

Deno.test("decideUpgrade() gives the file of this platform, and none when the version runs already", () => {
  assert.deepEqual(decideUpgrade(manifest, wanted, held, nowMs), manifest.platforms.here);
  assert.equal(decideUpgrade(manifest, wanted, { ...held, version: "1.1.0" }, nowMs), undefined);
});

Deno.test("decideUpgrade() refuses a manifest at its end, of another channel, and from the future", () => {
  refuses("release_expired", {}, {}, {}, Date.parse(manifest.expires));
  refuses("release_expired", {}, {}, {}, NaN);
  refuses("release_other_channel", {}, { channel: "beta" });
  refuses("release_from_future", {}, {}, {}, createdMs - 600_001);
  assert.ok(decideUpgrade(manifest, wanted, held, createdMs - 600_000), "clocks may be ten minutes apart");
});

Deno.test("decideUpgrade() refuses to go back, in version and in manifest, unless pinned", () => {
  refuses("release_downgrade", {}, {}, { version: "1.1.1" });
  refuses("release_replayed", {}, {}, { newestCreatedMs: createdMs + 1 });
  const pinned = { ...wanted, pin: "1.1.0" };
  assert.ok(
    decideUpgrade(manifest, pinned, { ...held, version: "1.2.0", newestCreatedMs: createdMs + 1 }, nowMs),
  );
});

Deno.test("decideUpgrade() with a pin takes that version only, before its turn in the rollout, but no expired one", () => {
  refuses("release_not_pinned", {}, { pin: "1.0.5" });
  assert.ok(
    decideUpgrade(
      makeManifest({ rollout: { percent: 0, labels: [] } }),
      { ...wanted, pin: "1.1.0" },
      held,
      nowMs,
    ),
  );
  refuses("release_expired", {}, { pin: "1.1.0" }, {}, Date.parse(manifest.expires));
});

Deno.test("decideUpgrade() refuses what does not fit this machine", () => {
  refuses("release_too_far", { minimum_previous: "1.0.1" });
  refuses("release_platform_missing", {}, {}, { platform: "constructor" });
  refuses("release_not_in_rollout", { rollout: { percent: 0, labels: [] } });
  refuses("release_not_in_rollout", { rollout: { percent: 100, labels: ["canary"] } });
});
