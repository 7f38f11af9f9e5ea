import assert from "node:assert/strict";
import { enrollMachine, rememberShown } from "../control/machines.ts";
import { type Browser, firstOwner, openDashboard, signedIn, wordsOf } from "./support.ts";

const [a, b] = ["ab".repeat(32), "cd".repeat(32)];

const document = (version: number, digest: string) => `
name: racks
version: ${version}
description: The racks
bank: sha256
labels: [prod]
pcrs:
  7: ["${digest}"]
`;

async function apply(browser: Browser, text: string, overlap = "") {
  const csrf = await browser.csrf();
  return await browser.post("/dashboard/policies/apply", { csrf, document: text, overlap_minutes: overlap });
}

async function words(browser: Browser, path: string): Promise<string> {
  const answer = await browser.get(path);
  assert.equal(answer.status, 200, wordsOf(answer.text));
  return wordsOf(answer.text);
}

Deno.test("policies: a plan tells what changes and who would pass, and nothing is applied until it is", async () => {
  await using open = await openDashboard();
  const operator = await signedIn(open, "operator");
  const { store } = open.control;
  for (const [n, digest] of [[1, a], [2, b]] as const) {
    await rememberShown(store, await enrollMachine(store, n, ["prod"]), { "7": digest });
  }
  await enrollMachine(store, 3, ["prod"]);
  assert.match(
    await words(operator, "/dashboard/policies"),
    /None: every machine is judged by the built-in baseline/,
  );
  const fields = { csrf: await operator.csrf(), document: document(1, a) };
  const plan = wordsOf((await operator.post("/dashboard/policies/plan", fields)).text);
  assert.match(plan, /Plan: racks@1 .* Would pass 1 Would fail 1 Not known 1/);
  assert.match(plan, new RegExp(`PCR 7 added: \\+ ${a}`));
  assert.deepEqual(await store.policyVersions("racks"), []);
  assert.equal(
    (await apply(operator, document(1, a))).headers.get("Location"),
    "/dashboard/policies?done=policy_applied",
  );
  assert.match(await words(operator, "/dashboard/policies"), /racks The racks in force 1 7 of sha256 prod 3/);
});

Deno.test("policies: versions are compared, and judged by what machines showed", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { store } = open.control;
  await rememberShown(store, await enrollMachine(store, 1, ["prod"]), { "7": b });
  await apply(owner, document(1, a));
  await apply(owner, document(2, b), "60");
  assert.match(await words(owner, "/dashboard/policies"), /two versions are accepted/);
  const second = await words(owner, "/dashboard/policies/racks");
  assert.match(second, /Version 2 against 1/);
  assert.match(second, new RegExp(`removed: − ${a} added: \\+ ${b}`));
  assert.match(second, /Who would pass version 2 .* would pass/);
  const first = await words(owner, "/dashboard/policies/racks?to=1");
  assert.match(first, /Who would pass version 1 .* would fail PCR 7 prod/);
  assert.match(await words(owner, "/dashboard/policies/racks?to=1&from=2"), /Version 1 against 2/);
  assert.equal((await owner.get("/dashboard/policies/none")).status, 404);
  await apply(owner, document(1, a).replace("racks", "other").replace("[prod]", "[test]"));
  await apply(owner, document(3, b).replace("[prod]", "[stage]"));
  await apply(owner, document(2, a).replace("racks", "other").replace("[prod]", "[prod]"));
  assert.match(await words(owner, "/dashboard/policies/racks?to=1"), /other asks for the same labels/);
});

Deno.test("policies: what cannot be applied is told, and a viewer applies nothing", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const viewer = await signedIn(open, "viewer");
  const refused = async (text: string, overlap = "") => {
    const answer = await apply(owner, text, overlap);
    return [answer.status, /<code>(\w+)<\/code>/.exec(answer.text)![1]];
  };
  assert.deepEqual(await refused("name: [<script>"), [400, "policy_invalid"]);
  assert.deepEqual(await refused("name: x"), [400, "policy_invalid"]);
  assert.deepEqual(await refused(document(2, a)), [409, "policy_version_conflict"]);
  assert.deepEqual(await refused(document(1, a), "43201"), [400, "request_invalid"]);
  assert.equal((await apply(viewer, document(1, a))).status, 403);
  assert.doesNotMatch((await viewer.get("/dashboard/policies")).text, /textarea/);
});
