/** Machines with a real software TPM that have to prove themselves again: under load, changed, reset, replaced. */
import assert from "node:assert/strict";
import { AttestedStack } from "../support/attested_stack.ts";
import {
  established,
  FROM_MACHINE,
  openStream,
  reattested,
  serviceOf,
  soonMs,
  startEndlessOrigin,
} from "./attestation_support.ts";
import { eventually, metricOf, type Settings, within } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";

/** As short as a slow machine keeps up with. */
const OFTEN: Settings = { "reauth.interval": "3s", "reauth.grace": "2900ms" };
const wanted = 20;
/** As many as one TPM quotes for within an interval. */
const channels = 6;

Deno.test("machines prove themselves 20 times under load and no request fails", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm, { edge: OFTEN });
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  await attested.serve(tpm, serviceOf(origin), { carriers: `${channels}` });
  const stream = await openStream(attested);
  let isOver = false;
  let requests = 0;
  const load = async () => {
    while (!isOver) {
      const response = await attested.stack.fetch("web");
      const text = await response.text();
      assert.deepEqual([response.status, text], [200, FROM_MACHINE]);
      requests++;
    }
  };
  const loads = Promise.all([load(), load(), load(), load()]);
  try {
    await Promise.race([
      eventually(`${wanted} proofs`, () => reattested(attested).length >= wanted, 4 * soonMs),
      loads,
    ]);
  } finally {
    isOver = true;
    await loads;
  }
  assert.ok(requests > 10 * wanted, `${requests} requests`);
  assert.equal(established(attested).length, channels);
  assert.equal(new Set(reattested(attested).map(({ fields }) => fields.session_id)).size, channels);
  assert.equal(stream.isCut(), false);
  const metrics = await attested.stack.metrics();
  assert.ok(metricOf(metrics, 'postern_reauth_total{result="succeeded",code="none"}') >= wanted);
  // Each proof brings both ends new keys.
  assert.ok(metricOf(metrics, "postern_rekeys_total") >= wanted);
});

Deno.test("a machine whose PCR changes is cut, and let in again after it has started as it should", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm, { edge: OFTEN, labels: ["rack"] });
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  const agent = await attested.serve(tpm, serviceOf(origin));
  const { policy } = await attested.post("/v1/policies/learn", { name: "rack", label: "rack" });
  await attested.post("/v1/policies", { policy });
  await eventually(
    "a proof under the policy",
    () => reattested(attested).some(({ fields }) => fields.policy_version === "rack@1"),
    soonMs,
  );
  const stream = await openStream(attested);
  await tpm.extend(7);
  await within(soonMs, "the stream is cut", stream.cut, attested.stack.lines);
  assert.ok(
    attested.stack.lines.some(({ event, fields }) =>
      event === "machine refused" && fields.code === "pcr_value_refused" && fields.pcrs === "7"
    ),
  );
  assert.notEqual((await attested.stack.fetch("web").then(dispose)).status, 200);
  await within(soonMs, "the agent gives up", agent.done);
  assert.equal(established(attested).length, 1);
  await tpm.reset();
  await attested.serve(tpm, serviceOf(origin));
  assert.equal(await (await attested.stack.fetch("web")).text(), FROM_MACHINE);
});

Deno.test("a machine whose TPM was reset has to open a new channel", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm, { edge: OFTEN });
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  await attested.serve(tpm, serviceOf(origin));
  const stream = await openStream(attested);
  await tpm.reset();
  await within(soonMs, "the stream is cut", stream.cut, attested.stack.lines);
  assert.ok(
    attested.stack.lines.some(({ event, fields }) =>
      event === "machine refused" && fields.code === "attestation_reset"
    ),
  );
  await eventually("the machine opens another channel", () => established(attested).length === 2, soonMs);
  assert.ok(attested.stack.lines.some(({ event }) => event === "machine attested after a reset"));
  await eventually(
    "it is online",
    async () => await (await attested.stack.fetch("web")).text() === FROM_MACHINE,
    soonMs,
  );
  const before = reattested(attested).length;
  await eventually("it proves itself there", () => reattested(attested).length > before, soonMs);
});

Deno.test("a machine whose TPM does not answer in time is cut, and comes back with it", async () => {
  await using tpm = await Swtpm.start();
  await using attested = await AttestedStack.start(tpm, { edge: OFTEN });
  using origin = startEndlessOrigin();
  await attested.enroll(tpm);
  await attested.serve(tpm, serviceOf(origin));
  const stream = await openStream(attested);
  tpm.freeze();
  await within(soonMs, "the stream is cut", stream.cut, attested.stack.lines);
  tpm.thaw();
  await eventually("the machine opens another channel", () => established(attested).length >= 2, 2 * soonMs);
});

async function dispose(response: Response): Promise<Response> {
  await response.body?.cancel();
  return response;
}
