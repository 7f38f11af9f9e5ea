import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import { ServicePortList } from "../../src/workers/service_port_list.ts";

const none = { tcp_ports: [], udp_ports: [] };

Deno.test("ServicePortList.use() refuses a port of somebody else, also of one who shares it", () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  const { port } = other.addr;
  const list = new ServicePortList({ host: "127.0.0.1", keepMs: 1_000 });
  assert.throws(
    () => list.use({ ...none, tcp_ports: [port] }, 0),
    (error: PosternError) => error.code === "tcp_port_unavailable" && error.detail.port === port,
  );
  assert.ok(list.isEmpty);
});

Deno.test("ServicePortList.takeUnused() gives ports back when no session has published them for longer than a route waits", () => {
  const list = new ServicePortList({ host: "127.0.0.1", keepMs: 1_000 });
  list.use({ ...none, udp_ports: [53] }, 0);
  const session = { claims: { ...none, udp_ports: [53] } };
  assert.equal(list.takeUnused([session], 60_000), undefined);
  assert.equal(list.takeUnused([], 71_000), undefined);
  assert.deepEqual(list.takeUnused([], 71_001), { ...none, udp_ports: [53] });
  assert.deepEqual(list.all, none);
});
