import assert from "node:assert/strict";
import fc from "fast-check";
import { commands } from "../../cli/commands.ts";
import { flagsFor } from "../../cli/command.ts";
import { parseCommandLine } from "../../cli/parse.ts";
import { PosternError } from "../../src/errors/mod.ts";

const parse = (...words: string[]) => parseCommandLine(words, commands);

function refusal(...words: string[]): PosternError {
  try {
    parse(...words);
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error));
    return error;
  }
  assert.fail("accepted");
}

Deno.test("parseCommandLine() tells own flags, settings, switches and arguments apart", () => {
  const parsed = parse("http", "--name=web", "--control", "https://c", "8080", "--plain", "-c", "f.yaml");
  assert.equal(parsed.command.name, "http");
  assert.deepEqual(parsed.arguments, ["8080"]);
  assert.deepEqual(parsed.values, { name: "web", config: "f.yaml" });
  assert.deepEqual(parsed.settings, { control: "https://c" });
  assert.deepEqual([...parsed.switches], ["plain"]);
});

Deno.test("parseCommandLine() takes everything after -- as arguments", () => {
  assert.deepEqual(parse("diag", "--", "--json").arguments, ["--json"]);
});

Deno.test("parseCommandLine() lets a flag win over its variable, and ignores empty variables", () => {
  const env = { POSTERN_NAME: "from-env", POSTERN_CONFIG: "" };
  assert.deepEqual(parseCommandLine(["http", "1"], commands, env).values, { name: "from-env" });
  assert.deepEqual(parseCommandLine(["http", "1", "--name", "x"], commands, env).values, { name: "x" });
});

Deno.test("parseCommandLine() refuses unknown commands and flags with the nearest one", () => {
  const command = refusal("statsu");
  assert.equal(command.code, "cli_command_unknown");
  assert.match(command.message, /did you mean "status"/);
  const flag = refusal("edge", "--limit-max-agents", "5");
  assert.equal(flag.code, "cli_flag_unknown");
  assert.match(flag.message, /did you mean "--limits-max-agents"/);
  assert.equal(refusal("edge", "-z").code, "cli_flag_unknown");
  assert.equal(refusal("version", "--json=yes").code, "cli_flag_unknown");
  assert.match(refusal("--json").message, /a command must come before/);
});

Deno.test("parseCommandLine() has no flag that takes a secret, and never repeats one given like that", () => {
  const error = refusal("http", "8080", "--token=hunter2");
  assert.doesNotMatch(error.message, /hunter2/);
  for (const command of commands) {
    for (const { name } of flagsFor(command)) {
      assert.ok(!/(^|-)(token|secret|key|password)$/.test(name), `--${name}`);
    }
  }
});

Deno.test("parseCommandLine() refuses absent, empty and repeated values", () => {
  assert.equal(refusal("http", "1", "--name").code, "cli_flag_value_missing");
  assert.equal(refusal("http", "1", "--name=").code, "cli_flag_value_missing");
  assert.equal(refusal("http", "1", "--name", "--plain").code, "cli_flag_value_missing");
  assert.equal(refusal("http", "1", "--name", "a", "-n", "b").code, "cli_flag_repeated");
  assert.equal(refusal("version", "--json", "--json").code, "cli_flag_repeated");
});

Deno.test("parseCommandLine() takes a bare flag of true or false as true, and eats no other word", () => {
  assert.deepEqual(parse("edge", "--take-over").settings, { "take-over": "true" });
  assert.deepEqual(parse("edge", "--take-over", "--region", "eu").settings, {
    "take-over": "true",
    region: "eu",
  });
  assert.deepEqual(parse("edge", "--take-over", "false").settings, { "take-over": "false" });
  assert.deepEqual(parse("edge", "--http2=false").settings, { http2: "false" });
  assert.deepEqual(parse("edge", "--anonymous-tunnels", "auto").settings, { "anonymous-tunnels": "auto" });
  assert.deepEqual(parse("edge", "--anonymous-tunnels").settings, { "anonymous-tunnels": "true" });
  const publishing = parse("http", "--token-renewal", "8080");
  assert.deepEqual([publishing.arguments, publishing.settings], [["8080"], { "token-renewal": "true" }]);
  assert.equal(refusal("edge", "--take-over", "--take-over").code, "cli_flag_repeated");
  assert.equal(refusal("edge", "--take-over=").code, "cli_flag_value_missing");
});

Deno.test("parseCommandLine() joins repeated flags of lists", () => {
  const { values } = parse(
    ...["http", "1", "--request-headers-set", "X-A: 1", "--request-headers-set=X-B: 2, 3"],
    ...["--allow", "10.0.0.0/8", "--allow=fd00::/8,::1", "--response-headers-remove", "Server"],
  );
  assert.deepEqual(values, {
    "request-headers-set": "X-A: 1\nX-B: 2, 3",
    allow: "10.0.0.0/8,fd00::/8,::1",
    "response-headers-remove": "Server",
  });
  const { settings } = parse("edge", "--trusted-proxies", "10.0.0.1", "--trusted-proxies", "10.0.0.2");
  assert.deepEqual(settings, { "trusted-proxies": "10.0.0.1,10.0.0.2" });
  assert.equal(refusal("http", "1", "--rate", "1/s", "--rate", "2/s").code, "cli_flag_repeated");
});

Deno.test("parseCommandLine() checks arguments, but not when help is asked for", () => {
  assert.equal(refusal("tcp").code, "cli_argument_missing");
  assert.equal(refusal("tcp").message, "Cannot run postern tcp: TARGET is missing (PORT or HOST:PORT)");
  assert.equal(refusal("tcp").detail.command, "tcp");
  assert.equal(refusal("tcp", "1", "2").code, "cli_argument_unexpected");
  assert.match(refusal("completions", "bsh").message, /did you mean "bash"/);
  assert.match(refusal("config", "x").message, /one of edge, agent/);
  assert.ok(parse("tcp", "--help").switches.has("help"));
});

Deno.test("parseCommandLine() throws nothing but PosternError", () => {
  const names = commands.map((command) => command.name);
  const word = fc.oneof(fc.string(), fc.constantFrom("--", "--name", "-c", "--json", "--listen=1"));
  fc.assert(fc.property(fc.constantFrom(...names), fc.array(word), (name, words) => {
    try {
      parse(name, ...words);
    } catch (error) {
      assert.ok(error instanceof PosternError);
    }
  }));
});

Deno.test("no command has two flags of one name, and every setting has variable and key", () => {
  for (const command of commands) {
    const flags = flagsFor(command);
    const names = flags.flatMap((flag) => flag.short === undefined ? [flag.name] : [flag.name, flag.short]);
    assert.deepEqual(names.filter((name, at) => names.indexOf(name) !== at), [], command.name);
    for (const flag of flags.filter((flag) => !command.flags.includes(flag) && flag.name !== "help")) {
      assert.ok(flag.environment?.startsWith("POSTERN_") && flag.key, flag.name);
    }
    const keys = new Set(flags.map((flag) => flag.key));
    for (const key of command.commonKeys ?? []) assert.ok(keys.has(key), `${command.name}: ${key}`);
  }
});
