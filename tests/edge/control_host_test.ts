import assert from "node:assert/strict";
import { isControlName } from "../../src/edge/control_host.ts";
import { isControlHost } from "../../src/edge/viewer_identity.ts";

Deno.test("isControlName() and isControlHost() know the base domain, control's and the edge's own name, and no service", () => {
  const config = { publicHost: "tunnel.example", edgeHost: "edge-a.example" };
  for (const name of ["tunnel.example", "control.tunnel.example", "edge-a.example"]) {
    assert.ok(isControlName(name, config), name);
    assert.ok(isControlHost(name, config), name);
  }
  for (const name of ["shop.tunnel.example", "edge-b.example", "a.edge-a.example"]) {
    assert.equal(isControlHost(name, config), false, name);
  }
  assert.equal(isControlHost("edge-a.example", { ...config, edgeHost: null }), false);
  for (const address of ["10.0.0.5", "[::1]", ""]) assert.ok(isControlHost(address, config), address);
});
