import assert from "node:assert/strict";
import { CHANNEL_LIMITS, channelLimits } from "../../src/channel/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { CHANNEL_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";
import {
  agentDefaults,
  agentSchema,
  edgeDefaults,
  edgeSchema,
  edgeSettings,
  type Layers,
  parseConfigFile,
  resolve,
  settingsOf,
} from "../../src/config/mod.ts";

const yaml = (text: string) => parseConfigFile(`version: 1\n${text}`, "postern.yaml");

function refusal(layers: Layers, schema: typeof edgeSchema | typeof agentSchema = edgeSchema): PosternError {
  try {
    resolve(schema as typeof edgeSchema, layers);
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error));
    return error;
  }
  assert.fail("accepted");
}

Deno.test("resolve() prefers flag over environment over file over machine default over documented default", () => {
  const file = yaml("region: file\nstate_directory: /file\nlimits: { max_agents: 3 }\n");
  const { config, origins } = resolve(edgeSchema, {
    flags: { region: "flag" },
    env: { POSTERN_REGION: "environment", POSTERN_LIMITS_MAX_AGENTS: "4", POSTERN_EDGE_ID: "" },
    file,
    defaults: { state_directory: "/machine", edge_id: "made-up" },
  });
  assert.equal(config.region, "flag");
  assert.equal(config.limits.maxAgents, 4);
  assert.equal(config.stateDirectory, "/file");
  assert.equal(config.edgeId, "made-up");
  assert.deepEqual(origins.get("region"), { layer: "flag", where: "--region" });
  assert.deepEqual(origins.get("limits.max_agents"), {
    layer: "environment",
    where: "POSTERN_LIMITS_MAX_AGENTS",
  });
  assert.deepEqual(origins.get("state_directory"), { layer: "file", where: "postern.yaml:3:18" });
  assert.deepEqual(origins.get("listen"), { layer: "default", where: "default" });
});

Deno.test("resolve() freezes the configuration all the way down", () => {
  const config = edgeDefaults();
  assert.ok(
    Object.isFrozen(config) && Object.isFrozen(config.limits) && Object.isFrozen(config.channel.rekey),
  );
});

Deno.test("every documented default is accepted by its own notation", () => {
  for (const { key, setting } of settingsOf(edgeSettings)) {
    if (setting.defaultText !== null) assert.ok(setting.schema.safeParse(setting.defaultText).success, key);
  }
});

Deno.test("anonymous tunnels are on by default only when listening on loopback", () => {
  assert.equal(edgeDefaults().anonymousTunnels, true);
  assert.equal(edgeDefaults({ listen: "0.0.0.0:8080" }).anonymousTunnels, false);
  assert.equal(edgeDefaults({ listen: "0.0.0.0:8080", anonymous_tunnels: "true" }).anonymousTunnels, true);
});

Deno.test("resolve() names file, line, column and the nearest key for an unknown key", () => {
  const error = refusal({ file: yaml("limits:\n  max_agent: 5\n") });
  assert.equal(error.code, "config_key_unknown");
  assert.equal(
    error.message,
    'Cannot read postern.yaml:3:3: unknown key "limits.max_agent" (did you mean "max_agents"?)',
  );
});

Deno.test("resolve() reports all problems at once, with what was given instead", () => {
  const error = refusal({
    flags: { "drain-timeout": "hunter2" },
    env: { POSTERN_LISTEN: "hunter2" },
    file: yaml("limits: hunter2\nheartbeat: { interval: 10 }\n"),
  });
  assert.equal(error.code, "config_value_invalid");
  assert.deepEqual(error.message.split("\n").map((line) => line.slice(0, line.indexOf(":", 20))), [
    "Cannot use POSTERN_LISTEN",
    "Cannot use --drain-timeout",
    "Cannot use postern.yaml",
    "Cannot use postern.yaml",
  ]);
  assert.match(error.message, /postern\.yaml:3:24 \(heartbeat\.interval\)/);
  assert.match(error.message, /^Cannot use POSTERN_LISTEN: .*, not "hunter2"$/m);
  assert.match(error.message, /\(heartbeat\.interval\): .*, not "10"$/m);
});

Deno.test("resolve() shortens and escapes wrong values, and repeats none that may hold a credential", () => {
  const messageOf = (flags: Record<string, string>, schema: typeof edgeSchema | typeof agentSchema) =>
    refusal({ flags }, schema).message;
  const long = messageOf({ "drain-timeout": "x".repeat(5_000) }, edgeSchema);
  assert.ok(long.endsWith(`, not "${"x".repeat(48)}…"`), long);
  const odd = messageOf({ "drain-timeout": '\u001b[2J"\u202e\u2028\n\u0085' }, edgeSchema);
  assert.ok(odd.endsWith(String.raw`, not "\u001b[2J\"\u{202e}\u{2028}\n\u{85}"`), odd);
  for (const flag of ["control", "proxy"]) {
    const message = messageOf({ [flag]: "https://user:hunter2@host.example" }, agentSchema);
    assert.match(message, /^Cannot use --/);
    assert.doesNotMatch(message, /hunter2|host\.example/);
  }
  assert.doesNotMatch(
    messageOf({ "tokens-verifier-url": "https://user:hunter2@host.example" }, edgeSchema),
    /hunter2/,
  );
  const items = { services: [{ target: "80", "rules.request_headers.set": "Authorization: hunter2\u0000" }] };
  const fields = refusal({ items }, agentSchema).message;
  assert.match(fields, /^Cannot use --request-headers-set: /);
  assert.doesNotMatch(fields, /hunter2/);
  const list = refusal({ file: yaml("access: { allow: [hunter2] }") }).message;
  assert.doesNotMatch(list, /, not/);
});

Deno.test("resolve() refuses settings that contradict each other", () => {
  const cases: Record<string, string>[] = [
    { "tls-cert-file": "a.pem" },
    { "attestation-revocations-file": "revoked.json" },
    { "admin-listen": "127.0.0.1:8080" },
    { listen: "127.0.0.1:20500" },
    { "heartbeat-offline": "10s" },
    { "reauth-interval": "10s" },
    { "reauth-grace": "300s" },
    { "reauth-interval": "900ms", "reauth-grace": "500ms" },
    { "reauth-authorizer-ca-file": "ca.pem" },
    { "tokens-recreate": "3h", "tokens-recreate-max": "2h" },
    { "limits-max-stream-window-bytes": "64MiB" },
  ];
  for (const flags of cases) assert.equal(refusal({ flags }).code, "config_conflict", JSON.stringify(flags));
  assert.equal(refusal({ flags: { "retry-initial": "1m" } }, agentSchema).code, "config_conflict");
  assert.equal(refusal({ flags: { "origin-max-connections": "1" } }, agentSchema).code, "config_conflict");
  const twice = yaml("services:\n  - name: a\n  - name: a\n");
  assert.match(refusal({ file: twice }, agentSchema).message, /two services are called "a"/);
});

Deno.test("resolve() reads services from the file, and given items replace them", () => {
  const file = yaml(
    "services:\n  - { name: web, target: localhost:3000, host_header: original }\n  - protocol: tcp\n",
  );
  const fromFile = resolve(agentSchema, { file });
  assert.deepEqual(fromFile.config.services.map((s) => [s.name, s.protocol, s.target.port, s.hostHeader]), [
    ["web", "http", 3000, "original"],
    [null, "tcp", 8080, null],
  ]);
  assert.equal(fromFile.origins.get("services[0].name")?.where, "postern.yaml:3:13");
  const given = resolve(agentSchema, { file, items: { services: [{ target: "[::1]:1", weight: "7" }] } });
  const [{ rules, ...service }] = given.config.services;
  assert.deepEqual(service, {
    name: null,
    protocol: "http",
    target: { host: "::1", port: 1 },
    hostHeader: null,
    proxyProtocol: "off",
    weight: 7,
    requireTier: null,
    private: false,
    connect: [],
  });
  assert.deepEqual([rules.allow, rules.deny], [[], []]);
  const port = resolve(agentSchema, { file: yaml("services:\n  - target: 3000\n") });
  assert.deepEqual(port.config.services[0].target, { host: "127.0.0.1", port: 3000 });
  assert.match(
    refusal({ file: yaml("services:\n  - target: 70000\n") }, agentSchema).message,
    /a port or HOST:PORT/,
  );
  assert.match(refusal({ items: { services: [{ name: "A B" }] } }, agentSchema).message, /--name/);
  assert.match(refusal({ file: yaml("services: 5") }, agentSchema).message, /list of at most 128/);
  assert.match(refusal({ file: yaml("services: [5]") }, agentSchema).message, /services\[0\]/);
  assert.match(
    refusal({ file: yaml("services:\n  - hostheader: x") }, agentSchema).message,
    /postern\.yaml:3:5.*did you mean "host_header"/,
  );
});

Deno.test("resolve() reads the rules of a service, from the file and from given items", () => {
  const file = yaml("services:\n  - rules:\n      allow: [10.0.0.0/8]\n      deny: 10.0.0.1, ::1\n");
  const { allow, deny } = resolve(agentSchema, { file }).config.services[0].rules;
  assert.deepEqual([allow, deny], [["10.0.0.0/8"], ["10.0.0.1", "::1"]]);
  const given = resolve(agentSchema, { items: { services: [{ "rules.deny": "10.0.0.1" }] } });
  assert.deepEqual(given.config.services[0].rules.deny, ["10.0.0.1"]);
  assert.equal(given.origins.get("services[0].rules.deny")?.where, "command line");
  assert.match(
    refusal({ file: yaml("services:\n  - rules: { alow: [] }") }, agentSchema).message,
    /unknown key "services\[0\]\.rules\.alow" \(did you mean "allow"/,
  );
  assert.match(refusal({ items: { services: [{ "rules.deny": "x" }] } }, agentSchema).message, /--deny/);
});

Deno.test("resolve() reads fields as a map, as a list and as lines, and refuses rules that do not go together", () => {
  const rulesOf = (text: string) =>
    resolve(agentSchema, { file: yaml(`services:\n  - rules:\n${text}`) }).config.services[0].rules;
  const rules = rulesOf(
    "      request_headers:\n        set: { X-Env: prod, X-Count: 5 }\n        remove: [X-Debug, Cookie]\n" +
      "      response_headers:\n        add:\n          - 'X-Frame-Options: DENY'\n          - X-B: c\n",
  );
  assert.deepEqual(rules.requestHeaders.set, [["X-Env", "prod"], ["X-Count", "5"]]);
  assert.deepEqual(rules.requestHeaders.remove, ["X-Debug", "Cookie"]);
  assert.deepEqual(rules.responseHeaders.add, [["X-Frame-Options", "DENY"], ["X-B", "c"]]);
  const given = resolve(agentSchema, {
    items: { services: [{ "rules.request_headers.set": "X-A: 1\nX-B: a:b" }] },
  });
  assert.deepEqual(given.config.services[0].rules.requestHeaders.set, [["X-A", "1"], ["X-B", "a:b"]]);
  const refused = (text: string, protocol = "http") =>
    refusal({ file: yaml(`services:\n  - protocol: ${protocol}\n    rules:\n${text}`) }, agentSchema);
  for (const bad of ["Content-Length: 5", "X-Forwarded-For: x", "Host: x", '"X A": 1', "X-A: [1]"]) {
    assert.equal(refused(`      request_headers: { set: { ${bad} } }`).code, "config_value_invalid", bad);
  }
  assert.equal(refused("      basic_auth: { file: users }", "tcp").code, "config_conflict");
  assert.match(
    refused("      request_headers: { remove: [A] }", "tcp").message,
    /for other services only \(request_headers\)/,
  );
  assert.equal(refused("      basic_auth: { realm: x }").code, "config_conflict");
  assert.equal(refused("      burst: 5").code, "config_conflict");
  assert.equal(refused("      burst_per_address: 5").code, "config_conflict");
  assert.equal(rulesOf("      rate: 5/s\n      burst: 7\n").burst, 7);
});

Deno.test("resolve() takes original, rewrite and Host values as host_header, and nothing else", () => {
  const read = (host: string) =>
    resolve(agentSchema, { items: { services: [{ host_header: host }] } }).config.services[0].hostHeader;
  for (const host of ["original", "rewrite", "shop.internal", "127.0.0.1:3000", "[::1]:80"]) {
    assert.equal(read(host), host);
  }
  for (const host of ["a b", "a/b", "a\r\nX: y", "http://a"]) {
    assert.equal(
      refusal({ items: { services: [{ host_header: host }] } }, agentSchema).code,
      "config_value_invalid",
    );
  }
});

Deno.test("reauth settings: agents are asked every five minutes unless told otherwise, and 0 is never", () => {
  const { reauth } = edgeDefaults();
  assert.deepEqual(reauth, {
    intervalMs: 300_000,
    graceMs: 10_000,
    maintenanceCapMs: 1_800_000,
    authorizerStatusUri: null,
    authorizerHosts: [],
    authorizerCaFile: null,
  });
  assert.equal(edgeDefaults({ "reauth.interval": "0", "reauth.grace": "1h" }).reauth.intervalMs, 0);
  for (const uri of ["http://status.example/", "https://user:secret@status.example/", "status.example"]) {
    const { code } = refusal({ flags: { "reauth-authorizer-status-uri": uri } });
    assert.equal(code, "config_value_invalid", uri);
  }
});

Deno.test("resolve() warns about near misses in the environment and leaves foreign names alone", () => {
  const env = { POSTERN_LISTENN: "x", POSTERN_PORT: "tcp://10.0.0.1:80", POSTERN_DEBUG: "1", HOME: "/" };
  assert.deepEqual(resolve(edgeSchema, { env }).warnings, [
    "POSTERN_LISTENN is not a setting; did you mean POSTERN_LISTEN?",
  ]);
});

Deno.test("the settings of a channel have the defaults of the channel itself, and no window is below what it starts with", () => {
  const { channel, heartbeat } = edgeDefaults();
  assert.equal(channel.handshakeStepMs, CHANNEL_LIMITS.stepMs);
  assert.deepEqual(heartbeat, CHANNEL_LIMITS.heartbeat);
  const { intervalMs: ms, ...rekey } = channel.rekey;
  assert.deepEqual({ ...rekey, ms }, CHANNEL_LIMITS.rekey);
  const edge = edgeDefaults();
  const agent = agentDefaults();
  assert.deepEqual(
    channelLimits({ ...edge, maxStreams: edge.limits.maxStreamsPerChannel }),
    channelLimits({ ...agent, maxStreams: agent.limits.maxStreams }),
  );
  assert.deepEqual(channelLimits({ ...agent, maxStreams: agent.limits.maxStreams }), CHANNEL_LIMITS);
  const windows = (stream: number, whole: number): Layers => ({
    flags: {
      "limits-max-stream-window-bytes": String(stream),
      "limits-max-channel-window-bytes": String(whole),
    },
  });
  for (const schema of [edgeSchema, agentSchema]) {
    resolve(schema as typeof edgeSchema, windows(STREAM_WINDOW_BYTES, CHANNEL_WINDOW_BYTES));
    assert.equal(refusal(windows(STREAM_WINDOW_BYTES - 1, 2 ** 23), schema).code, "config_value_invalid");
    assert.equal(refusal(windows(2 ** 20, CHANNEL_WINDOW_BYTES - 1), schema).code, "config_value_invalid");
  }
});
