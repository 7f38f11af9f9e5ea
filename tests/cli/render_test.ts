import assert from "node:assert/strict";
import fc from "fast-check";
import type { AgentStatus } from "../../agent/status.ts";
import { bytesText, elapsedText, millisecondsText } from "../../cli/view/amount.ts";
import { renderStatus } from "../../cli/view/render.ts";
import { isEdgeStatus, renderEdgeStatus } from "../../cli/view/render_edge.ts";

const online: AgentStatus = {
  role: "agent",
  control: "http://127.0.0.1:8080",
  agent_id: "agent-1",
  tier: "tpm",
  version: "0.1.0",
  recent: [],
  state: "online",
  edge: "edge-1",
  rtt_ms: 12.34,
  since: 0,
  services: [
    {
      name: "web",
      protocol: "http",
      url: "http://web.localhost:8080",
      target: "127.0.0.1:3000",
      state: "online",
      requests: 12,
      bytes_in: 1536,
      bytes_out: 5_000_000,
    },
    {
      name: "db",
      protocol: "tcp",
      target: "db:5432",
      state: "pending",
      requests: 0,
      bytes_in: 0,
      bytes_out: 0,
    },
  ],
};

Deno.test("renderStatus() counts no time for what is over", () => {
  const status = {
    role: "agent" as const,
    control: "http://127.0.0.1:8080",
    agent_id: "agent-1",
    tier: "tpm" as const,
    version: "0.1.0",
    recent: [],
    state: "closed" as const,
    services: [],
    rtt_ms: null,
    edge: null,
    since: 0,
  };
  assert.equal(renderStatus(status, { columns: 80, color: false, now: 5_000 })[0], "postern  closed");
});

Deno.test("renderEdgeStatus() lists what is published and by whom, printable and cut to the columns", () => {
  const session = {
    session_id: "s",
    tunnel_id: "t",
    agent_id: "agent-a",
    tier: "bound-key" as const,
    state: "established" as const,
    online: true,
    hostnames: ["web.localhost"],
    tls_hostnames: [],
    tcp_ports: [],
    udp_ports: [],
    rtt_ms: 1.5,
    last_echo_at: 1,
    since: 1,
    streams: 0,
    requests: 5,
    bytes_in: 0,
    bytes_out: 2048,
    remote: "127.0.0.1:\x1b5",
  };
  const status = {
    role: "edge" as const,
    edge_id: "edge-1",
    version: "0.1.0",
    state: "serving",
    at: 1,
    viewer_connections: 2,
    udp_flows: 1,
    sessions: [session, {
      ...session,
      hostnames: [],
      tls_hostnames: ["vault.t.example"],
      tcp_ports: [20000],
      udp_ports: [20053],
      online: false,
      state: "draining" as const,
    }],
  };
  assert.ok(isEdgeStatus(status));
  assert.deepEqual(renderEdgeStatus(status, 100), [
    "edge-1  serving  (version 0.1.0, 2 open connections)",
    "",
    "web.localhost  online",
    "     <- agent-a at 127.0.0.1:\\u001b5, 1.50 ms",
    "     requests 5   in 0 B   out 2.0 KiB   tier bound-key (weaker: no TPM)",
    "tls vault.t.example, tcp port 20000, udp port 20053  draining",
    "     <- agent-a at 127.0.0.1:\\u001b5, 1.50 ms",
    "     requests 5   in 0 B   out 2.0 KiB   tier bound-key (weaker: no TPM)",
  ]);
  assert.equal(renderEdgeStatus(status, 20)[0], "edge-1  serving  (ve");
  assert.equal(renderEdgeStatus({ ...status, sessions: [] }, 80).at(-1), "no agent is connected");
  const proof = {
    tunnel_id: "t",
    agent_id: "agent-a",
    state: "passed",
    code: null as string | null,
    changed_at: 0,
  };
  const refused = { ...proof, state: "failed", code: "pcr_value_refused" };
  const told = (...attestations: (typeof proof)[]) =>
    renderEdgeStatus({ ...status, at: 5_000, sessions: [], attestations }, 80).slice(3);
  assert.deepEqual(told(refused, proof), [
    "",
    "not proved again",
    "     agent-a  failed: pcr_value_refused, 5s ago",
  ]);
  assert.deepEqual(told(proof, { ...refused, code: null }), [], "it has proved itself since");
  assert.ok(!isEdgeStatus({ ...status, attestations: {} }));
  assert.ok(!isEdgeStatus({ role: "edge", edgeId: "e1", agents: 2, services: [1] }));
  assert.ok(!isEdgeStatus({ ...status, sessions: [1] }));
});

Deno.test("renderStatus() shows state, edge, round trip and services", () => {
  assert.deepEqual(renderStatus(online, { columns: 80, color: false, now: 65_000 }), [
    "postern  online for 1m5s  (edge-1, 12 ms)",
    "identity  tpm",
    "",
    "http http://web.localhost:8080  online",
    "     -> 127.0.0.1:3000",
    "     requests 12   in 1.5 KiB   out 4.8 MiB",
    "tcp  db  pending",
    "     -> db:5432",
    "     connections 0   in 0 B   out 0 B",
  ]);
});

Deno.test("renderStatus() shows the last failure escaped", () => {
  const last_error = { code: "connect_refused", message: "evil\x1b[2Jtext", at: 5000 };
  const status: AgentStatus = {
    role: "agent",
    control: "http://127.0.0.1:8080",
    agent_id: "agent-1",
    tier: "bound-key",
    version: "0.1.0",
    recent: [],
    state: "connecting",
    edge: null,
    rtt_ms: null,
    since: 0,
    services: [],
    last_error,
  };
  assert.deepEqual(renderStatus(status, { columns: 80, color: false, now: 6000 }), [
    "postern  connecting for 6s",
    "identity  bound-key (weaker: no TPM)",
    "",
    "",
    "last error 1s ago: connect_refused",
    "  evil\\u001b[2Jtext",
  ]);
});

Deno.test("renderStatus() colors states, when colors are wanted", () => {
  const [head] = renderStatus(online, { columns: 80, color: true, now: 1000 });
  assert.equal(head, "postern  \x1b[32monline\x1b[0m for 1s  (edge-1, 12 ms)");
});

Deno.test("renderStatus() lists at most twenty services and counts the rest", () => {
  const services = Array.from({ length: 25 }, () => online.services[1]);
  const lines = renderStatus({ ...online, services }, { columns: 80, color: false, now: 0 });
  assert.equal(lines.length, 3 + 20 * 3 + 1);
  assert.equal(lines.at(-1), "and 5 more");
});

Deno.test("renderStatus() fits any width and prints no control characters, whatever peers wrote", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(fc.property(text, text, text, fc.integer({ min: 1, max: 200 }), (edge, url, message, columns) => {
    const status: AgentStatus = {
      ...online,
      edge,
      services: [{ ...online.services[0], url }],
      last_error: { code: "internal_error", message, at: 0 },
    };
    for (const line of renderStatus(status, { columns, color: false, now: 0 })) {
      assert.ok([...line].length <= columns);
      // deno-lint-ignore no-control-regex -- control characters must be absent
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f]/);
    }
  }));
});

Deno.test("amounts are short", () => {
  assert.deepEqual([0, 1023, 1024, 1536, 150 * 1024, 2 ** 50].map(bytesText), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "150 KiB",
    "1024 TiB",
  ]);
  assert.deepEqual([-5, 0, 999, 61_000, 3_600_000, 90_061_000].map(elapsedText), [
    "0s",
    "0s",
    "0s",
    "1m1s",
    "1h",
    "1d1h",
  ]);
  assert.deepEqual([0.5, 12.6].map(millisecondsText), ["0.50 ms", "13 ms"]);
});

Deno.test("renderStatus() lists recent requests, escaped, with the service's name where there are several", () => {
  const recent = [
    { service: "web", method: "GET", path: "/a\x1b[2Jb", status: 200, ms: 1.5, at: 0 },
    { service: "web", method: "POST", path: "/fails", status: 502, ms: 12, at: 0 },
  ];
  const one = { ...online, services: online.services.slice(0, 1), recent };
  const lines = renderStatus(one, { columns: 100, color: false, now: 5_000 });
  const at = lines.indexOf("recent requests");
  assert.deepEqual(lines.slice(at + 1, at + 3), [
    "  200  GET /a\\u001b[2Jb  1.50 ms",
    "  502  POST /fails  12 ms",
  ]);
  const many = Array.from({ length: 30 }, (_, n) => ({ ...recent[0], path: `/${n}` }));
  const several = renderStatus({ ...online, recent: many }, { columns: 100, color: false, now: 5_000 });
  assert.equal(several.filter((line) => / {2}200 {2}web {2}GET /.test(line)).length, 8);
});

Deno.test("renderEdgeStatus() lists relayed channels with who is there, and nothing when there are none", () => {
  const status = {
    role: "edge" as const,
    edge_id: "edge-1",
    version: "0.1.0",
    state: "serving",
    at: 70_000,
    viewer_connections: 1,
    udp_flows: 0,
    sessions: [],
    relayed: [{
      channel_id: "channel-1",
      tenant: "owner\x1b",
      state: "waiting" as const,
      client_remote: "192.0.2.1:5",
      server_remote: null,
      idle_timeout_seconds: 60,
      since: 1,
      active_at: 10_000,
      bytes_from_client: 2048,
      bytes_from_server: 0,
    }],
  };
  assert.ok(isEdgeStatus(status));
  const lines = renderEdgeStatus(status, 100);
  assert.deepEqual(lines.slice(-3), [
    "private channels",
    "     channel-1  waiting, of owner\\u001b, last record 1m ago",
    "     192.0.2.1:5 -> 2.0 KiB   no server -> 0 B",
  ]);
  assert.ok(!renderEdgeStatus({ ...status, relayed: [] }, 100).includes("private channels"));
});
