/** An issuing CA is followed by another while control, a connector and a tunneler talk to each other; in virtual time, over real sockets. */
import assert from "node:assert/strict";
import { startConnector, startTunneler } from "../../agent/node/mod.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { advanceRotation, startRotation } from "../../src/control/ca_rotation.ts";
import { NodeDesk } from "../../src/control/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { nodeToken } from "../control/nodes.ts";
import { type Control, openControl } from "../control/support.ts";
import { TempDir } from "../support/temp_dir.ts";

const heartbeatMs = 10_000;
const quiet = () => {};

/** Waits for what others have to say about a step: never for a time. */
async function until(what: () => string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail(what());
}

async function world() {
  const control: Control = await openControl({
    random: systemRandom,
    // TLS itself looks at the certificates of the first handshakes, by the clock of this machine.
    wallMs: Date.now(),
  });
  const folder = await TempDir.make("rotation");
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: quiet },
    (request) => control.app.fetch(request, { clientIp: "127.0.0.1" }),
  );
  const { clock } = control;
  const deps = { ...control.deps, log: quiet };
  const beats = { connector: 0, tunneler: 0 };
  await control.store.allowNodes({ connector: "*", tunneler: "*", addedBy: "test", addedAtMs: 0 });
  const desk = await NodeDesk.open({
    listen: { host: "127.0.0.1", port: 0 },
    controlId: "k1",
    deps: { ...deps, clock },
    maxNodes: 10,
    onHeartbeat: (role) => void beats[role]++,
  });
  const lost: string[] = [];
  const log = (_level: string, event: string, fields: object = {}) => {
    if (/lost|ended|refused|not /.test(event)) lost.push(`${event} ${JSON.stringify(fields)}`);
  };
  const common = async (role: "connector" | "tunneler") => {
    const tokenFile = await folder.write(`${role}.token`, await nodeToken(control, role, `${role}-1`));
    await Deno.chmod(tokenFile, 0o600);
    const defaults = agentDefaults({
      control: `http://127.0.0.1:${server.addr.port}`,
      admin_listen: "off",
      state_directory: folder.file(role),
      "node.control": `127.0.0.1:${desk.port}`,
      "node.enrollment_token_file": tokenFile,
    });
    return { ...defaults, node: { ...defaults.node, listen: { host: "127.0.0.1", port: 0 } } };
  };
  const parts = { clock, random: systemRandom, log };
  const connector = await startConnector(await common("connector"), parts);
  // It lets nobody in before it has heard of control.
  await until(() => `connector is online: ${lost.join("; ")}`, () => connector.isOnline());
  const settings = await common("tunneler");
  const tunneler = await startTunneler({
    ...settings,
    node: { ...settings.node, connector: [{ host: "127.0.0.1", port: connector.port! }] },
  }, parts);
  return {
    control,
    clock,
    deps,
    desk,
    beats,
    lost,
    connector,
    tunneler,
    async [Symbol.asyncDispose]() {
      await tunneler.stop();
      await connector.stop();
      await desk.close();
      await server.shutdown();
      await folder[Symbol.asyncDispose]();
      await control[Symbol.asyncDispose]();
    },
  };
}

for (const what of ["issuing", "root"] as const) {
  Deno.test(`a rotation of the ${what} drops no channel: control, connector and tunneler have new certificates when the old one is retired`, async () => {
    await using at = await world();
    const { control, clock, deps, desk, beats, lost, connector, tunneler } = at;
    /** One heartbeat of everybody, which every channel has to survive. */
    const pass = async () => {
      const before = { ...beats };
      clock.advance(heartbeatMs);
      await until(
        () => `heartbeats: ${JSON.stringify(beats)} ${lost.join("; ")}`,
        () => beats.connector > before.connector && beats.tunneler > before.tunneler,
      );
    };
    // All three channels stand: what is in the middle of a handshake has its own time.
    await until(() => `channels: ${lost.join("; ")}`, () => tunneler.isOnline() && desk.nodes.length === 2);
    const old = deps.identities.issuer!.sha256;
    const started = await startRotation(deps, "ops", what);
    assert.equal(started.from, old);
    await desk.changed();
    const stages: string[] = [];
    for (let minute = 0; stages.at(-1) !== "retired" && minute < 60; minute++) {
      for (let beat = 0; beat < 6; beat++) await pass();
      const stage = await advanceRotation(deps);
      if (stage !== "waiting") stages.push(stage);
      if (stage === "activated" || stage === "retired") await desk.changed();
    }
    assert.deepEqual(stages, ["activated", "retired"]);
    for (let beat = 0; beat < 12; beat++) await pass();
    assert.ok(connector.isOnline() && tunneler.isOnline());
    assert.deepEqual(lost, [], "no channel ended, and nobody was refused");
    assert.equal(await control.store.liveCertificates(old, clock.wall()), 0);
  });
}
