import assert from "node:assert/strict";
import { edgeDefaults } from "../../src/config/mod.ts";
import { shareOf } from "../../src/workers/share.ts";

Deno.test("shareOf() divides what viewers may take, never down to nothing, and leaves what the main thread judges", () => {
  const config = edgeDefaults({
    state_directory: "/nonexistent",
    workers: "4",
    "limits.max_viewer_connections": "10",
    "limits.connection_rate_per_address": "8/s",
    "limits.max_connections_per_address": "1",
  });
  const { limits, listen, takeOver } = shareOf(config, 8443);
  assert.deepEqual([limits.maxViewerConnections, limits.maxConnectionsPerAddress], [3, 1]);
  assert.deepEqual([limits.connectionRatePerAddress, limits.connectionBurstPerAddress], [
    { count: 8, everyMs: 4_000 },
    2,
  ]);
  assert.equal(limits.maxAgents, config.limits.maxAgents);
  assert.deepEqual([listen.port, takeOver], [8443, true]);
});
