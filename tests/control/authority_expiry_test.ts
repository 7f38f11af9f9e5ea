import assert from "node:assert/strict";
import { advanceRotation, startRotation } from "../../src/control/ca_rotation.ts";
import { EndingLog, endingsOf, endingWarnings } from "../../src/control/authority_expiry.ts";
import { startUpkeep } from "../../src/control/mod.ts";
import { openControl } from "./support.ts";

const dayMs = 86_400_000;

Deno.test("an issuing CA that ends within 30 days is told of by the API, once a day in the log, and always as a metric: ca_expires_soon", async () => {
  await using control = await openControl();
  const { deps, clock, logged } = control;
  const ends: string[] = [];
  const events = {
    ...deps.events,
    onAuthoritiesEnd: (all: ReturnType<typeof endingsOf>) => ends.push(all.map(({ kind }) => kind).join()),
  };
  const warn = () =>
    endingWarnings(deps.identities.state, clock.wall(), deps.config.identity.expiryWarningMs);
  clock.advance(334 * dayMs);
  assert.deepEqual(warn(), []);
  clock.advance(2 * dayMs);
  assert.deepEqual(warn().map(({ code, kind }) => [code, kind]), [
    ["ca_expires_soon", "issuing"],
    ["ca_expires_soon", "trust_bundle"],
  ]);
  const viewer = await control.tokenOf("ops", "operator");
  const [{ code, kind, expires_at }] = (await control.get("/api/admin/ca", viewer)).json.warnings;
  assert.deepEqual([code, kind], ["ca_expires_soon", "issuing"]);
  assert.equal(Date.parse(expires_at) - clock.wall(), 29 * dayMs);

  const said = () => logged.filter((line) => line.includes("ca_expires_soon")).length;
  const stop = startUpkeep({ ...deps, events });
  assert.deepEqual([said(), ends], [2, ["root,issuing,trust_bundle"]]);
  stop();
  const log = new EndingLog(deps.log);
  for (const hours of [0, 1, 22, 1, 0]) {
    clock.advance(hours * 3_600_000);
    log.say(warn(), clock.wall());
  }
  assert.equal(said(), 6, "again after a day");

  clock.advance(30 * dayMs);
  assert.deepEqual(warn().map(({ code }) => code), ["ca_expired", "ca_expired"]);
  log.say(warn(), clock.wall());
  assert.ok(logged.at(-1)?.includes('"level":"error"') && logged.at(-1)?.includes("ca_expired"));
});

Deno.test("a rotation ends the warnings of the issuing CA, and that of the root those of the root", async () => {
  await using control = await openControl();
  const { deps, clock } = control;
  const kinds = () => endingWarnings(deps.identities.state, clock.wall(), 30 * dayMs).map(({ kind }) => kind);
  const rotate = async (what: "issuing" | "root") => {
    await startRotation(deps, "ops", what);
    clock.advance(deps.config.identity.publishMs);
    assert.equal(await advanceRotation(deps), "activated");
    clock.advance(120_000);
    assert.equal(await advanceRotation(deps), "waiting");
    clock.advance(60_000);
    assert.equal(await advanceRotation(deps), "retired");
  };
  clock.advance(340 * dayMs);
  assert.deepEqual(kinds(), ["issuing", "trust_bundle"]);
  await rotate("issuing");
  assert.deepEqual(kinds(), []);
  for (let year = 0; year < 9; year++) {
    clock.advance(330 * dayMs);
    await rotate("issuing");
  }
  clock.advance(3_640 * dayMs - clock.now());
  assert.ok(kinds().includes("root"), kinds().join());
  await rotate("root");
  assert.deepEqual(kinds(), []);
});
