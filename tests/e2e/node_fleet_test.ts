import assert from "node:assert/strict";
import { EnrolledIdentity, identityFileIn, plainFiles } from "../../agent/identity/mod.ts";
import { controlDefaults } from "../../src/control/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { inProcess } from "../agent/identity/in_process_control.ts";
import { nodeToken } from "../control/nodes.ts";
import { openControl } from "../control/support.ts";
import { TempDir } from "../support/temp_dir.ts";

/** A thousand take a minute of a core: with POSTERN_FIGURES, which also prints what each renewal cost. */
const nodes = Deno.env.has("POSTERN_FIGURES") ? 1_000 : 100;
const boundless = { perMinute: 1_000_000, burst: 1_000_000 };

Deno.test("connectors of five minutes renew for ten: none misses, and each renewal is two writes", async () => {
  await using folder = await TempDir.make("fleet");
  await using control = await openControl({
    random: systemRandom,
    store: { maxEnrollmentTokens: nodes },
    config: {
      rates: { ...controlDefaults.rates, manage: boundless, enroll: boundless, identity: boundless },
    },
  });
  const { clock, random } = control.deps;
  let writes = 0;
  for (const name of ["consumeOnce", "renewNode", "appendAudit", "putSetting"] as const) {
    const write = control.store[name] as (...values: unknown[]) => Promise<unknown>;
    Object.assign(control.store, { [name]: (...values: unknown[]) => (writes++, write(...values)) });
  }
  const client = inProcess(control);
  const fleet: EnrolledIdentity[] = [];
  for (let n = 0; n < nodes; n++) {
    const path = identityFileIn(folder.file(`c${n}`));
    const options = { path, files: plainFiles, controls: [client], clock, random, log() {} };
    fleet.push(await EnrolledIdentity.enroll(options, await nodeToken(control, "connector", `c${n}`)));
  }
  writes = 0;
  const startedMs = performance.now();
  let missed = 0;
  // Each node does at its time what its timer would do: 600 s in steps of one second.
  const due = fleet.map((node) => dueOf(node));
  for (let second = 0; second < 600; second++) {
    clock.advance(1_000);
    for (const [n, node] of fleet.entries()) {
      if (clock.wall() >= node.certificate.notAfterMs) missed++;
      if (clock.wall() < due[n]) continue;
      await node.renew();
      due[n] = dueOf(node);
    }
  }
  const renewals = client.renewals;
  assert.equal(missed, 0);
  assert.ok(renewals >= 2 * nodes && renewals <= 4 * nodes, `${renewals}`);
  assert.ok(writes < 2.1 * renewals, `${writes} writes for ${renewals} renewals`);
  const ms = (performance.now() - startedMs) / renewals;
  // deno-lint-ignore no-console -- asked for
  if (nodes > 100) console.log({ renewals, writes, msForEach: ms });
});

function dueOf(node: EnrolledIdentity): number {
  const { notBeforeMs, notAfterMs } = node.certificate;
  return notAfterMs - 0.3 * (notAfterMs - notBeforeMs) - Math.random() * 15_000;
}
