import assert from "node:assert/strict";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";

Deno.test("systemClock.schedule() runs the task once the time has come, not before and not at once", async () => {
  const atMs = systemClock.now() + 2;
  let inside = true;
  const ranAt = await new Promise<number>((resolve) => {
    systemClock.schedule(atMs, () => {
      assert.equal(inside, false);
      resolve(systemClock.now());
    });
    inside = false;
  });
  assert.ok(ranAt >= atMs);
  await new Promise<void>((resolve) => systemClock.schedule(systemClock.now() - 1000, resolve));
});

Deno.test("systemClock.schedule() returns what cancels it, also for deadlines over setTimeout's range", async () => {
  const cancelNear = systemClock.schedule(systemClock.now() + 1, () => assert.fail("cancelled"));
  const cancelFar = systemClock.schedule(systemClock.now() + 2 ** 40, () => assert.fail("too early"));
  cancelNear();
  await new Promise<void>((resolve) => systemClock.schedule(systemClock.now() + 3, resolve));
  cancelFar();
});

Deno.test("systemClock.wall() is milliseconds since the epoch, now() is not", () => {
  assert.ok(systemClock.wall() > Date.UTC(2024, 0, 1));
  assert.ok(systemClock.now() < Date.UTC(2000, 0, 1));
});

Deno.test("systemRandom() fills any length, beyond what one draw gives", () => {
  assert.equal(systemRandom(0).length, 0);
  const bytes = systemRandom(65_536 + 64);
  assert.equal(bytes.length, 65_600);
  assert.ok(bytes.subarray(65_536).some((byte) => byte !== 0));
  assert.notDeepEqual(systemRandom(32), systemRandom(32));
});
