import assert from "node:assert/strict";
import { agentDefaults } from "../../../src/config/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import type { ChannelInitGrant } from "../../../src/grants/mod.ts";
import { rulesOf } from "../../../agent/service_rules.ts";
import { openTunnel, until } from "../fake_edge.ts";
import { freePort } from "../origins.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;
const target = { host: "127.0.0.1", port: freePort() };
/** An edge passes it on unread; what it holds is the endpoint's to check. */
const grant = { channel_id: "a channel" } as unknown as ChannelInitGrant;

Deno.test("a private service is served to nobody by the edge: streams that the edge opens are refused", async () => {
  for (const protocol of ["tcp", "http"] as const) {
    const tunnel = await openTunnel({ protocol, private: true, target });
    for (const kind of ["tcp", "http", "udp"] as const) {
      const stream = tunnel.edge.open(kind).send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      await until(() => stream.reset !== undefined);
      assert.equal(stream.reset, "unknown_service");
    }
    assert.equal(tunnel.service.pool.openConnections, 0);
    await tunnel.close();
  }
});

Deno.test("Session answers an offer with the endpoint's key, or with the code that refused it", async () => {
  const seen: unknown[] = [];
  const key = "A".repeat(43);
  const tunnel = await openTunnel({ protocol: "tcp", private: true, target }, {}, undefined, (offered) => {
    seen.push(offered);
    return seen.length === 1
      ? Promise.resolve({ staticKey: key })
      : Promise.reject(new PosternError("grant_expired"));
  });
  for (const answers of [1, 2]) {
    tunnel.edge.channel.offer(grant, tunnel.clock.now());
    tunnel.edge.wake();
    await until(() => tunnel.edge.offerAnswers.length === answers);
  }
  assert.deepEqual(seen, [grant, grant]);
  assert.deepEqual(tunnel.edge.offerAnswers, [{ staticKey: key }, { error: "grant_expired" }]);
  await tunnel.close();
});

Deno.test("Session of a service that is not private takes no offer", async () => {
  const tunnel = await openTunnel({ protocol: "tcp", target });
  tunnel.edge.channel.offer(grant, tunnel.clock.now());
  tunnel.edge.wake();
  await until(() => tunnel.edge.error !== undefined);
  assert.equal(tunnel.edge.error!.code, "frame_bad_control");
  await tunnel.session.ended;
});

Deno.test("settings of a private service refuse what an edge would have to see", () => {
  const service = (settings: Record<string, string>) => () =>
    agentDefaults({}, [{ private: "true", ...settings }]);
  assert.equal(service({ protocol: "tcp", connect: "bob,carol" })().services[0].private, true);
  for (
    const settings of [
      { protocol: "tls" } as Record<string, string>,
      { protocol: "tcp", proxy_protocol: "v2" },
      { protocol: "tcp", "rules.allow": "10.0.0.0/8" },
      { protocol: "http", "rules.basic_auth.realm": "x" },
    ]
  ) assert.throws(service(settings), code("config_conflict"));
  assert.throws(() => agentDefaults({}, [{ protocol: "tcp", connect: "bob" }]), code("config_conflict"));
});

Deno.test("rulesOf() says who may connect to a private service, also when nobody else may", async () => {
  const [{ rules }] = agentDefaults({}, [{}]).services;
  assert.deepEqual(await rulesOf({ rules, private: true, connect: [] }), { connect: [] });
  assert.deepEqual(await rulesOf({ rules, private: true, connect: ["bob"] }), { connect: ["bob"] });
  assert.deepEqual(await rulesOf({ rules, private: false, connect: [] }), {});
});
