import assert from "node:assert/strict";
import { assertProblem, openControl } from "./support.ts";

const tcpPorts = { first: 7000, last: 7001 };

Deno.test("POST /tunnels/create stores rules with the tunnel; the newest registration wins for the name", async () => {
  await using control = await openControl();
  const token = await control.tokenOf("alice");
  const create = async (rules?: unknown) => {
    const { status, json } = await control.post(
      "/tunnels/create",
      { requested_name: "demo", ...(rules === undefined ? {} : { rules }) },
      token,
    );
    assert.equal(status, 200, JSON.stringify(json));
    return json;
  };
  const first = await create({ allow: ["10.0.0.0/8"] });
  assert.equal(first.rules_revision, 1);
  assert.deepEqual((await control.store.tunnel(first.tunnel_id))?.rules, {
    revision: 1,
    value: '{"allow":["10.0.0.0/8"]}',
  });
  assert.deepEqual(control.changed, [], "nobody can serve it yet");
  assert.equal((await create({ allow: ["10.0.0.0/8"] })).rules_revision, 1, "the same rules");
  assert.equal((await create()).rules_revision, undefined);
  assert.equal((await control.store.tunnel(first.tunnel_id))?.rules?.revision, 1, "absent: as they are");
  assert.equal((await create({ deny: ["10.0.0.1"] })).rules_revision, 2);
  assert.equal((await create({})).rules_revision, 3, "an empty object is none");
  assert.deepEqual(control.changed, [
    { tunnelId: first.tunnel_id, revision: 2, value: '{"deny":["10.0.0.1"]}' },
    { tunnelId: first.tunnel_id, revision: 3, value: "{}" },
  ]);
  assert.equal(control.logged.filter((line) => line.includes("rules of a service changed")).length, 2);
  const audited = (await control.store.auditEntries(20)).filter(({ action }) => action === "tunnel.rules");
  assert.deepEqual(audited.map(({ actor, detail }) => [actor, detail]), [
    ["alice", { name: "demo", revision: "3", members: "none" }],
    ["alice", { name: "demo", revision: "2", members: "deny" }],
  ]);
});

Deno.test("POST /tunnels/create takes rules with a recreate token, and none where none were", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const { json: created } = await control.post("/tunnels/create", { rules: {} });
  assert.equal(created.rules_revision, 0);
  const again = (rules: unknown) =>
    control.post("/tunnels/create", { recreate_token: created.recreate_token, rules });
  assert.equal((await again({})).json.rules_revision, 0);
  assert.equal((await again({ deny: ["::/0"] })).json.rules_revision, 1);
  assertProblem(await again({ deny: ["x"] }), 422, "rules_invalid");
  assert.equal((await control.store.tunnel(created.tunnel_id))?.rules?.revision, 1, "nothing was changed");
});

Deno.test("POST /tunnels/create refuses unknown rules, and claims no name then", async () => {
  await using control = await openControl({ config: { tcpPorts } });
  const token = await control.tokenOf("alice");
  const answer = await control.post(
    "/tunnels/create",
    { requested_name: "demo", rules: { alow: [] } },
    token,
  );
  assertProblem(answer, 422, "rules_invalid");
  assert.equal(await control.store.tunnelByName("demo"), undefined);
});

Deno.test("POST /tunnels/create tells in its note which members of the request it does not know", async () => {
  await using control = await openControl();
  const token = await control.tokenOf("alice");
  const { status, json } = await control.post("/tunnels/create", {
    name: "demo",
    'x"': 1,
    ...Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`k${at}`, at])),
  }, token);
  assert.equal(status, 200);
  assert.match(json.note, /^unknown members were passed over: "name", "x\\"", "k0", .* and 3 more$/);
});
