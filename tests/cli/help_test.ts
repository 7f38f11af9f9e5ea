import assert from "node:assert/strict";
import { commands } from "../../cli/commands.ts";
import { flagsFor } from "../../cli/command.ts";
import { completionScript, shells } from "../../cli/completions.ts";
import { commandHelp, overview } from "../../cli/help.ts";
import { CATALOGUE } from "../../src/errors/mod.ts";

const commandNamed = (name: string) => commands.find((command) => command.name === name)!;

Deno.test("overview() names every command", () => {
  for (const { name, summary } of commands) {
    assert.ok(overview(commands).includes(`  ${name}`) && overview(commands).includes(summary), name);
  }
});

Deno.test("commandHelp() lists the usual flags, and all of them when asked", () => {
  const edge = commandNamed("edge");
  const usual = commandHelp(edge, false);
  assert.match(usual, /--listen HOST:PORT/);
  assert.match(usual, /\[default 127\.0\.0\.1:8080 · POSTERN_LISTEN · key listen\]/);
  assert.doesNotMatch(usual, /--limits-max-agents/);
  assert.match(usual, /more settings: postern help edge --all/);
  assert.match(usual, /\[default ~\/\.local\/state\/postern\/edge · POSTERN_STATE_DIRECTORY/);
  const all = commandHelp(edge, true);
  for (const flag of flagsFor(edge)) assert.ok(all.includes(`--${flag.name}`), flag.name);
});

Deno.test("completionScript() names every command and flag in every shell", () => {
  for (const shell of shells) {
    const script = completionScript(shell, commands);
    for (const command of commands) {
      assert.ok(script.includes(command.name), `${shell}: ${command.name}`);
      for (const { name } of flagsFor(command)) {
        assert.ok(script.includes(shell === "fish" ? `-l ${name}` : `--${name}`), `${shell}: ${name}`);
      }
    }
  }
});

async function completeInBash(...words: string[]): Promise<string[]> {
  const script = `${completionScript("bash", commands)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_postern; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, success } = await new Deno.Command("bash", { args: ["--norc", "-c", script] })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

Deno.test("the bash script completes commands, words, flags and leaves values alone", async () => {
  assert.deepEqual(await completeInBash("postern", "st"), ["status"]);
  assert.deepEqual(await completeInBash("postern", "completions", "b"), ["bash"]);
  assert.deepEqual(await completeInBash("postern", "http", "--host"), ["--host-header"]);
  assert.deepEqual(await completeInBash("postern", "http", "--name", "e"), []);
  assert.deepEqual(await completeInBash("postern", "help", "h"), ["http", "hash-password", "help"]);
  assert.deepEqual(await completeInBash("postern", "http", "--log-level", "e"), ["error"]);
  assert.deepEqual(await completeInBash("postern", "edge", "--log-format", ""), ["text", "json"]);
  assert.deepEqual(
    await completeInBash("postern", "edge", "--tokens-verification", "remote"),
    ["remote", "remote-then-local"],
  );
});

Deno.test("the scripts complete the codes that postern explain knows", async () => {
  assert.deepEqual(
    await completeInBash("postern", "explain", "token_r"),
    Object.keys(CATALOGUE).filter((code) => code.startsWith("token_r")).sort(),
  );
  assert.deepEqual(await completeInBash("postern", "http", "token_r"), []);
  for (const shell of shells) {
    const line = completionScript(shell, commands).split("\n").find((text) =>
      text.includes(" keyset_malformed ")
    );
    assert.ok(line !== undefined, shell);
    for (const code of Object.keys(CATALOGUE)) assert.ok(line.includes(code), `${shell}: ${code}`);
  }
});
