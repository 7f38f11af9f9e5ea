import assert from "node:assert/strict";
import fc from "fast-check";
import { PosternError } from "../../src/errors/mod.ts";
import {
  defaultStateDirectory,
  didYouMean,
  edgeDefaults,
  nearest,
  parseTarget,
  publicUrlOf,
  type ServiceProtocol,
} from "../../src/config/mod.ts";
import { editDistance } from "../../src/config/suggest.ts";

Deno.test("parseTarget() reads ports, addresses and http URLs", () => {
  assert.deepEqual(parseTarget("http", "8080"), { host: "127.0.0.1", port: 8080 });
  assert.deepEqual(parseTarget("tcp", "db:5432"), { host: "db", port: 5432 });
  assert.deepEqual(parseTarget("http", "http://localhost:3000/"), { host: "localhost", port: 3000 });
  assert.deepEqual(parseTarget("http", "http://[::1]"), { host: "::1", port: 80 });
});

Deno.test("parseTarget() refuses paths, other schemes, credentials and ports out of range", () => {
  const cases: [ServiceProtocol, string][] = [
    ["http", ""],
    ["http", "0"],
    ["http", "70000"],
    ["http", "a:0"],
    ["http", "https://a"],
    ["http", "http://a/b"],
    ["http", "http://u:p@a"],
    ["http", "http://"],
    ["tcp", "http://a:1"],
    ["tcp", "nonsense"],
    ["tls", "https://a:1"],
  ];
  for (const [protocol, text] of cases) {
    assert.throws(
      () => parseTarget(protocol, text),
      (error) => error instanceof PosternError && error.code === "cli_target_invalid",
      text,
    );
  }
});

Deno.test("publicUrlOf() names the port unless it is the scheme's own", () => {
  const config = edgeDefaults();
  assert.equal(publicUrlOf(config, "web", 8080), "http://web.localhost:8080");
  assert.equal(publicUrlOf(config, "web", 80), "http://web.localhost");
  assert.equal(publicUrlOf(config, "web", 8080, true), "https://web.localhost:8080");
  assert.equal(publicUrlOf(config, "web", 443, true), "https://web.localhost");
  const secure = edgeDefaults({ "tls.cert_file": "c", "tls.key_file": "k", public_host: "t.example" });
  assert.equal(publicUrlOf(secure, "web", 443), "https://web.t.example");
  const behind = edgeDefaults({
    public_url_scheme: "https",
    public_url_port: "443",
    public_host: "t.example",
  });
  assert.equal(publicUrlOf(behind, "web", 8080), "https://web.t.example");
});

Deno.test("defaultStateDirectory() follows systemd, then XDG, then home", () => {
  const home = { HOME: "/home/a" };
  assert.equal(
    defaultStateDirectory("edge", { ...home, STATE_DIRECTORY: "/var/lib/p:/x" }),
    "/var/lib/p/edge",
  );
  assert.equal(defaultStateDirectory("edge", { ...home, XDG_STATE_HOME: "/s" }), "/s/postern/edge");
  assert.equal(
    defaultStateDirectory("agent", { ...home, XDG_STATE_HOME: "rel" }),
    "/home/a/.local/state/postern/agent",
  );
  assert.equal(defaultStateDirectory("agent", {}), ".postern/agent");
});

Deno.test("nearest() finds typos and not just anything", () => {
  const known = ["edge", "http", "tcp", "status", "completions"];
  assert.equal(nearest("statsu", known), "status");
  assert.equal(nearest("htpp", known), "http");
  assert.equal(nearest("Edge", known), "edge");
  assert.equal(nearest("banana", known), undefined);
  assert.equal(nearest("x".repeat(100_000), known), undefined);
  assert.equal(didYouMean("banana", known), "");
});

Deno.test("editDistance() is symmetric, and zero for equal words only", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(fc.property(word, word, (a, b) => {
    assert.equal(editDistance(a, b), editDistance(b, a));
    assert.equal(editDistance(a, b) === 0, a === b);
  }));
});
