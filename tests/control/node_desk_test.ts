/** Control's port for nodes on a virtual clock, with real connections. */
import assert from "node:assert/strict";
import { EnrolledIdentity, identityFileIn, plainFiles } from "../../agent/identity/mod.ts";
import { NodeDesk } from "../../src/control/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { NodeCaller, type NodeCallerOptions, type NodeRefusal } from "../../src/nodes/mod.ts";
import type { NodeRole } from "../../src/pki/mod.ts";
import { inProcess } from "../agent/identity/in_process_control.ts";
import { TempDir } from "../support/temp_dir.ts";
import { assertProblem, openControl } from "./support.ts";

async function desk() {
  const control = await openControl({ random: systemRandom });
  // TLS itself looks at the machine's clock.
  control.clock.jumpWall(Date.now() - control.clock.wall());
  const folder = await TempDir.make("desk");
  const handshakes: string[] = [];
  const opened = await NodeDesk.open({
    listen: { host: "127.0.0.1", port: 0 },
    controlId: "k1",
    deps: control.deps,
    maxNodes: 10,
    onHandshake: (result) => void handshakes.push(result),
  });
  Object.assign(control.deps.events, { onNodeTrustChanged: () => void opened.changed() });
  const operator = await control.tokenOf("ops", "operator");
  const { clock, log } = control.deps;
  const callers: NodeCaller[] = [];
  const world = {
    control,
    desk: opened,
    operator,
    handshakes,
    async enroll(role: NodeRole, id: string, labels?: readonly string[]): Promise<EnrolledIdentity> {
      const { json } = await control.post("/v1/enroll/tokens", { role, id, labels }, operator);
      const options = {
        path: identityFileIn(folder.file(`${role}-${id}`)),
        files: plainFiles,
        controls: [inProcess(control)],
        clock,
        random: systemRandom,
        log,
      };
      return await EnrolledIdentity.enroll(options, json.token, true);
    },
    call(identity: EnrolledIdentity, options: Partial<NodeCallerOptions> = {}): NodeCaller {
      const caller = new NodeCaller({
        addresses: [{ host: "127.0.0.1", port: opened.port }],
        expected: { expectedRole: "control" },
        identity,
        clock,
        random: systemRandom,
        log,
        facts: { version: "1.0.0" },
        ...options,
      });
      callers.push(caller);
      caller.start();
      return caller;
    },
    /** Connections need time that is not the clock's. */
    async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
      for (let turn = 0; turn < 30_000; turn++) {
        if (await holds()) return;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.fail(what);
    },
    async audit(action: string) {
      return (await control.store.auditEntries(100)).filter((line) => line.action === action);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(callers.map((caller) => caller.stop()));
      await opened.close();
      await control[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return world;
}

Deno.test("rules say who may come to a connector; it hears of each change at once, also by the labels of those who enroll", async () => {
  await using at = await desk();
  const { control, operator } = at;
  const heard: string[] = [];
  at.call(await at.enroll("connector", "c1", ["eu"]), {
    onAccess: (tunnelers) => void heard.push(tunnelers.join()),
  });
  const change = async (what: string, connector: string, tunneler: string) =>
    (await control.post(`/api/admin/node-rules/${what}`, { connector, tunneler }, operator)).json.changed;
  await at.until("it is told that nobody may come", () => heard.length === 1);
  assert.equal(await change("allow", "c1", "t-*"), true);
  await at.until("a pattern", () => heard.length === 2);
  assert.equal(await change("allow", "c1", "t-*"), false);
  assert.equal(await change("allow", "label=eu", "label=office"), true);
  await at.until("a label that nobody has", () => heard.length === 3);
  await at.enroll("tunneler", "x", ["office"]);
  await at.until("a label that somebody got", () => heard.length === 4);
  await at.enroll("tunneler", "x");
  assert.equal(await change("disallow", "c1", "t-*"), true);
  await at.until("less", () => heard.length === 5);
  assert.equal(await change("disallow", "c1", "t-*"), false);
  assert.deepEqual(heard, ["", "t-*", "t-*", "t-*,x", "x"]);
  const { json } = await control.get("/api/admin/node-rules", operator);
  assert.deepEqual(json.rules.map((rule: { tunneler: string }) => rule.tunneler), ["label=office"]);
  assert.deepEqual((await at.audit("nodes.allow")).length, 2);
  assert.deepEqual((await at.audit("nodes.disallow")).map(({ subject }) => subject), [
    "tunneler t-* to connector c1",
  ]);
  for (const tunneler of ["a b", "label=", "**"]) {
    const answer = await control.post("/api/admin/node-rules/allow", { connector: "c1", tunneler }, operator);
    assertProblem(answer, 400, "request_invalid");
  }
  const member = await control.tokenOf("alice");
  assert.equal((await control.get("/api/admin/node-rules", member)).status, 403);
});

Deno.test("refusals of nodes are lines of the audit: of control's own port, and what connectors tell of", async () => {
  await using at = await desk();
  const { control } = at;
  const edge = await at.enroll("edge", "e1");
  at.call(edge);
  await at.until("an edge is no connector", () => at.handshakes.includes("peer_wrong_role"));
  const refusals: NodeRefusal[] = [{
    code: "peer_policy_denied",
    node: "spiffe://tunnel.example/tunneler/t9",
    address: "192.0.2.9",
    count: 3,
  }];
  at.call(await at.enroll("connector", "c1"), { refusals: () => refusals.splice(0) });
  at.call(await at.enroll("tunneler", "t1"), {
    refusals:
      () => [{ code: "peer_certificate_revoked", node: "spiffe://tunnel.example/connector/c1", count: 1 }],
  });
  await at.until("both are there", () => at.desk.nodes.length === 2);
  await at.until("a connector told", async () => (await at.audit("node.refuse")).length > 0);
  control.clock.advance(10_000);
  await at.until("control's own", async () => (await at.audit("node.refuse")).length > 1);
  const lines = (await at.audit("node.refuse")).map(({ actor, subject, outcome, detail }) => ({
    actor,
    subject,
    outcome,
    by: detail.by,
  }));
  const own = lines.find(({ by }) => by === "control");
  assert.equal(own?.outcome, "peer_wrong_role");
  assert.equal(own?.subject, "spiffe://tunnel.example/edge/e1");
  assert.deepEqual(lines.filter(({ by }) => by !== "control"), [{
    actor: "unproven",
    subject: "spiffe://tunnel.example/tunneler/t9",
    outcome: "peer_policy_denied",
    by: "connector/c1",
  }], "what a tunneler tells is nothing");
});

Deno.test("the key before the newest one ends when the newest is used: on a channel that stands, and by a new one", async () => {
  await using at = await desk();
  const { store } = at.control;
  const node = async () => await store.nodeIdentity("connector", "c1");
  const c1 = await at.enroll("connector", "c1");
  const first = (await node())?.keySha256;
  await c1.renew();
  assert.equal((await node())?.previousKeySha256, first);
  at.call(c1);
  await at.until("a channel by it", async () => (await node())?.previousKeySha256 === undefined);
  const second = (await node())?.keySha256;
  assert.notEqual(second, first);
  await c1.renew();
  await at.until("it is shown on the channel", async () => (await node())?.previousKeySha256 === undefined);
  assert.notEqual((await node())?.keySha256, second);
});
