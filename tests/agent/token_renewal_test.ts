import assert from "node:assert/strict";
import { TokenRenewal } from "../../agent/token_renewal.ts";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { LogFields } from "../../src/ports/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

const hourMs = 3_600_000;

/** A token that says these times, and is none otherwise. */
function tokenOf(iatMs: number, lifeMs: number): string {
  const claims = { iat: iatMs / 1_000, exp: (iatMs + lifeMs) / 1_000 };
  return `head.${toBase64Url(utf8(JSON.stringify(claims)))}.signature`;
}

/** A renewal of a file with a token of 24 h, at a control that refuses with `refusals` first. */
function openWorld(refusals: ErrorCode[] = []) {
  const clock = new VirtualClock();
  const world = {
    clock,
    file: tokenOf(clock.wall(), 24 * hourMs),
    asked: 0,
    logged: [] as [event: string, fields: LogFields][],
  };
  const renewal = new TokenRenewal({
    file: {
      path: "/agent.token",
      read: () => Promise.resolve(world.file.trim()),
      write: (text) => Promise.resolve(void (world.file = text)),
    },
    clock,
    log: (_level, event, fields = {}) => void world.logged.push([event, fields]),
    control: {
      refreshToken() {
        world.asked++;
        const code = refusals.shift();
        if (code !== undefined) return Promise.reject(new PosternError(code));
        return Promise.resolve({
          management_token: tokenOf(clock.wall(), 24 * hourMs),
          expires_at: "soon",
          owner: "alice",
          role: "member",
          family: "family-1",
          family_ends_at: "later",
        });
      },
    },
  });
  return { world, clock, renewal };
}

Deno.test("TokenRenewal leaves a young token alone, replaces it at half its life, and logs no token", async () => {
  const { world, clock, renewal } = openWorld();
  const first = world.file;
  await clock.advanceAsync(12 * hourMs - 1);
  assert.equal(world.asked, 0);
  await clock.advanceAsync(30_000);
  assert.equal(world.asked, 1);
  assert.notEqual(world.file, first);
  await clock.advanceAsync(13 * hourMs);
  assert.equal(world.asked, 2);
  assert.deepEqual(world.logged.map(([event]) => event), Array(2).fill("management token renewed"));
  for (const token of [first, world.file]) {
    assert.ok(!JSON.stringify(world.logged).includes(token.split(".")[1]));
  }
  renewal.stop();
  assert.equal(clock.pending, 0);
});

Deno.test("TokenRenewal says once why it does not renew, looks again, and takes up a token that was put there", async () => {
  const { world, clock, renewal } = openWorld(Array(3).fill("token_family_ended"));
  const first = world.file;
  await clock.advanceAsync(14 * hourMs);
  assert.equal(world.asked, 3);
  assert.equal(world.file, first);
  assert.deepEqual(world.logged.map(([, { code }]) => code), ["token_family_ended"]);
  world.file = tokenOf(clock.wall(), 24 * hourMs);
  await clock.advanceAsync(11 * hourMs);
  assert.equal(world.asked, 3, "the token that was put there is young");
  await clock.advanceAsync(2 * hourMs);
  assert.equal(world.asked, 4);
  renewal.stop();
});

Deno.test("TokenRenewal tries again soon while control cannot be reached", async () => {
  const { world, clock, renewal } = openWorld(["control_unreachable", "control_timeout"]);
  await clock.advanceAsync(12 * hourMs + 90_000);
  assert.equal(world.asked, 3);
  assert.equal(world.logged.at(-1)?.[0], "management token renewed");
  renewal.stop();
});
