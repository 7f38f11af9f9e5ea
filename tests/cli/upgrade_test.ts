import assert from "node:assert/strict";
import { CertificateAuthority } from "../support/certificates.ts";
import { makeKey } from "../release/made_release.ts";
import { postern, posternHere } from "./program.ts";
import { programText, UpgradeMachine } from "./upgrade_machine.ts";

/** The code that a command ended with. */
const codeIn = (stderr: string) => /^error\[(\w+)\]/m.exec(stderr)?.[1];

const root = new URL("../../", import.meta.url).pathname;

Deno.test("postern upgrade --check tells what there is and changes nothing; --apply takes it, restarts and keeps the old one", async () => {
  await using machine = await UpgradeMachine.make();
  await machine.start();
  await machine.publish("1.1.0");
  const check = await machine.upgrade("--check", "--json");
  assert.deepEqual([check.code, JSON.parse(check.stdout)], [0, {
    state: "available",
    from: "1.0.0",
    version: "1.1.0",
  }], check.stderr);
  assert.deepEqual([await machine.beside(), machine.asked], [[], ["/manifest.json"]]);

  const apply = await postern(["upgrade", "--apply", ...machine.flags]);
  assert.deepEqual([apply.code, apply.stdout], [0, "1.1.0 runs; it was 1.0.0\n"], apply.stderr);
  assert.deepEqual([await machine.installed(), await machine.running()], ["1.1.0", "1.1.0"]);
  assert.equal(await Deno.readTextFile(`${machine.program}.previous`), programText("1.0.0"));
  assert.deepEqual(await machine.beside(), [
    "postern.previous",
    "postern.upgrade.json",
    "postern.upgrade.lock",
  ]);

  const again = await machine.upgrade("--apply", "--json");
  assert.equal(JSON.parse(again.stdout).state, "current");
  const back = await machine.upgrade("--rollback");
  assert.deepEqual([back.code, await machine.installed()], [0, "1.0.0"], back.stderr);
  const forward = await machine.upgrade("--apply");
  assert.equal(codeIn(forward.stderr), "upgrade_failed_before", "a timer does not undo what an operator did");
});

Deno.test("postern upgrade --apply puts the previous version back, running, when the new one does not become ready", async () => {
  await using machine = await UpgradeMachine.make();
  await machine.start();
  await machine.publish("1.1.0", { text: programText("1.1.0", "exit 1") });
  const apply = await machine.upgrade("--apply", "--upgrade-ready-timeout=2s");
  assert.equal(codeIn(apply.stderr), "upgrade_rolled_back");
  assert.deepEqual([apply.code, await machine.installed(), await machine.running()], [1, "1.0.0", "1.0.0"]);

  assert.equal(codeIn((await machine.upgrade("--apply")).stderr), "upgrade_failed_before");
  await machine.publish("1.1.1");
  assert.equal((await machine.upgrade("--apply")).code, 0);
  assert.equal(await machine.running(), "1.1.1");
});

Deno.test("postern upgrade --apply tells when the previous version is not ready either, and leaves it in place", async () => {
  await using machine = await UpgradeMachine.make();
  await machine.publish("1.1.0");
  await machine.folder.write("restart.sh", "#!/bin/sh\nexit 1\n", 0o755);
  const apply = await machine.upgrade("--apply", "--upgrade-ready-timeout=1s");
  assert.equal(codeIn(apply.stderr), "upgrade_rollback_unready");
  assert.equal(await machine.installed(), "1.0.0");
});

/** Nothing was put in place, and nothing half fetched is left. */
async function refuses(machine: UpgradeMachine, code: string, ...words: string[]): Promise<void> {
  const { stderr, code: exit } = await machine.upgrade("--apply", ...words);
  assert.equal(codeIn(stderr), code);
  assert.notEqual(exit, 0);
  assert.equal(await machine.installed(), "1.0.0");
  assert.deepEqual((await machine.beside()).filter((name) => !/upgrade\.(json|lock)$/.test(name)), []);
}

Deno.test("postern upgrade --apply refuses files that are not what was signed", async () => {
  await using machine = await UpgradeMachine.make();
  const text = programText("1.1.0");
  await machine.publish("1.1.0");
  const file = "/postern-1.1.0";
  machine.answers.set(file, () => new Response(text.replace("serve", "swerv")));
  await refuses(machine, "upgrade_file_altered");
  machine.answers.set(file, () => new Response(text.slice(0, -1)));
  await refuses(machine, "upgrade_file_truncated");
  machine.answers.set(file, () => new Response(`${text}\n`));
  await refuses(machine, "upgrade_file_too_large");
  machine.answers.set(file, () => new Response(null, { status: 404 }));
  await refuses(machine, "upgrade_unreachable");
  machine.answers.set(
    file,
    () => new Response(null, { status: 302, headers: { location: "http://192.0.2.1/" } }),
  );
  await refuses(machine, "upgrade_source_refused");
  machine.answers.delete(file);
  await machine.publish("1.1.0", { text: programText("1.0.9") });
  await refuses(machine, "upgrade_program_unusable");
  machine.answers.set("/manifest.json", () => new Response(" ".repeat(300_000)));
  await refuses(machine, "upgrade_file_too_large");
});

Deno.test("postern upgrade --apply refuses releases that are not for this machine, before it fetches a file", async () => {
  await using machine = await UpgradeMachine.make();
  await machine.publish("1.1.0", { signers: [makeKey()] });
  await refuses(machine, "release_key_unknown");
  await machine.publish("1.1.0", {
    expires: new Date(Date.now() - 1).toISOString(),
    created: "2026-01-01T00:00:00Z",
  });
  await refuses(machine, "release_expired");
  await machine.publish("0.9.9");
  await refuses(machine, "release_downgrade");
  await machine.publish("1.1.0", { rollout: { percent: 100, labels: ["canary"] } });
  await refuses(machine, "release_not_in_rollout");
  assert.deepEqual(machine.asked.filter((path) => path !== "/manifest.json"), []);
  const bare = await posternHere(["upgrade", "--check", `--program=${machine.program}`]);
  assert.equal(codeIn(bare.stderr), "upgrade_not_configured");
  await refuses(machine, "upgrade_source_refused", "--manifest=http://192.0.2.1/manifest.json");
});

Deno.test("postern upgrade --apply takes releases over https from a server of an authority of one's own, and no forged, held back or expired one", async () => {
  await using authority = await CertificateAuthority.make();
  const { cert, key } = await authority.issue({ names: ["IP:127.0.0.1"] });
  await using machine = await UpgradeMachine.make({ cert, key });
  await machine.start();
  const caFile = `--upgrade-ca-file=${authority.ca.certPath}`;
  const manifestPath = machine.folder.file("dist/manifest.json");

  await machine.publish("1.1.0");
  await refuses(machine, "upgrade_unreachable");
  await machine.folder.write("empty.pem", "");
  await refuses(machine, "ca_certificates_invalid", `--upgrade-ca-file=${machine.folder.file("empty.pem")}`);
  const signed = await Deno.readTextFile(manifestPath);
  await Deno.writeTextFile(manifestPath, signed.replace('"percent": 100', '"percent": 99'));
  assert.notEqual(await Deno.readTextFile(manifestPath), signed);
  await refuses(machine, "release_signature_invalid", caFile);
  await machine.publish("1.1.0", {
    created: new Date(Date.now() - 172_800_000).toISOString(),
    expires: new Date(Date.now() - 1).toISOString(),
  });
  await refuses(machine, "release_expired", caFile);
  await machine.publish("0.9.9");
  await refuses(machine, "release_downgrade", caFile);
  machine.answers.set(
    "/manifest.json",
    () => new Response(null, { status: 302, headers: { location: "http://192.0.2.1/manifest.json" } }),
  );
  await refuses(machine, "upgrade_source_refused", caFile);
  machine.answers.clear();

  const old = (await machine.publish("1.1.0"), await Deno.readTextFile(manifestPath));
  await machine.publish("1.2.0");
  const apply = await machine.upgrade("--apply", caFile);
  assert.deepEqual([apply.code, await machine.running()], [0, "1.2.0"], apply.stderr);
  await Deno.writeTextFile(manifestPath, old);
  const replayed = await machine.upgrade("--apply", caFile);
  assert.equal(codeIn(replayed.stderr), "release_replayed");
  assert.equal(await machine.installed(), "1.2.0");
  const pinned = await machine.upgrade("--apply", caFile, "--upgrade-pin=1.1.0");
  assert.deepEqual([pinned.code, await machine.running()], [0, "1.1.0"], pinned.stderr);
  assert.equal(
    codeIn((await machine.upgrade("--apply", caFile, "--upgrade-pin=1.0.5")).stderr),
    "release_not_pinned",
  );
});

Deno.test("postern upgrade tells what it lacks: a program, a restart, a previous one, the right to start programs, the lock", async () => {
  await using machine = await UpgradeMachine.make();
  await machine.publish("1.1.0");
  const failing = async (words: string[], code: string, env = {}) =>
    assert.equal(codeIn((await posternHere(["upgrade", ...words], env)).stderr), code);
  await failing(["--check"], "upgrade_program_unknown");
  await failing(["--check", "--program=/nowhere/postern"], "upgrade_program_unknown");
  const without = machine.flags.filter((flag) => !flag.startsWith("--upgrade-restart"));
  await failing(["--apply", ...without], "upgrade_restart_missing");
  await failing(["--rollback", ...machine.flags], "upgrade_no_previous");
  const jailed = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-net",
      "--allow-sys",
      `${root}cli/main.ts`,
    ]
      .concat("upgrade", "--apply", ...machine.flags),
    stdin: "null",
  }).output();
  assert.equal(codeIn(new TextDecoder().decode(jailed.stderr)), "upgrade_not_permitted");
  using lock = await Deno.open(`${machine.program}.upgrade.lock`, { create: true, write: true });
  await lock.lock(true);
  await failing(["--apply", ...machine.flags], "upgrade_busy");
});

Deno.test("postern upgrade goes on with the key that a release by the old one names, and not with the old one", async () => {
  await using machine = await UpgradeMachine.make();
  await machine.start();
  const next = makeKey();
  await machine.publish("1.1.0", { next_keys: [next.trusted.text] });
  assert.equal((await machine.upgrade("--apply")).code, 0);
  await machine.publish("1.2.0");
  assert.equal(codeIn((await machine.upgrade("--check")).stderr), "release_key_unknown");
  await machine.publish("1.2.0", { signers: [next] });
  const taken = await machine.upgrade("--check", "--json");
  assert.equal(JSON.parse(taken.stdout).version, "1.2.0");
  await machine.publish("1.2.0", { signers: [next], created: "2026-01-01T00:00:00Z" });
  assert.equal(codeIn((await machine.upgrade("--check")).stderr), "release_replayed");
});

Deno.test("release:sign makes a manifest out of files that postern upgrade takes", async () => {
  await using machine = await UpgradeMachine.make();
  const key = await machine.folder.write("release.key", machine.key.privatePem);
  const file = await machine.folder.write("dist/postern-2.0.0", programText("2.0.0"));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--allow-write",
      `${root}tools/release.ts`,
      `--key=${key}`,
      "--version=2.0.0",
    ]
      .concat(`--file=${Deno.build.target}=${file}`),
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const check = await machine.upgrade("--check", `--manifest=${machine.folder.file("dist/manifest.json")}`);
  assert.equal(check.stdout, "2.0.0 is available; 1.0.0 is in place\n", check.stderr);
});

Deno.test("postern upgrade --apply that runs out of room leaves the program as it was, and no half file", async () => {
  await using machine = await UpgradeMachine.make();
  const bin = machine.folder.file("bin");
  const mount = async (...words: string[]) =>
    (await new Deno.Command(words[0], { args: words.slice(1), stdin: "null", stderr: "null" }).output())
      .success;
  // Only root may make a small disk; elsewhere a directory that cannot be written to stands for it.
  const isSmall = await mount("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", bin).catch(() => false);
  try {
    if (isSmall) await machine.folder.write("bin/postern", programText("1.0.0"), 0o755);
    else await Deno.chmod(bin, 0o500);
    await machine.publish("1.1.0", { text: programText("1.1.0") + "#".repeat(200_000) });
    await refuses(machine, "upgrade_write_failed");
  } finally {
    if (isSmall) await mount("umount", bin);
    else await Deno.chmod(bin, 0o700);
  }
});

const steps = ["fetching", "staged", "tried", "recorded", "kept", "placed", "restarted", "ready", "settled"];

Deno.test("postern upgrade --apply killed at any step leaves a program that runs, and --recover goes back unless it was ready", async () => {
  await using machine = await UpgradeMachine.make();
  const manifest = await machine.publish("1.1.0");
  for (const step of steps) {
    await machine.folder.write("bin/postern", programText("1.0.0"), 0o755);
    await machine.start();
    const facts = {
      program: machine.program,
      manifest,
      file: machine.folder.file("dist/postern-1.1.0"),
      restart: machine.folder.file("restart.sh"),
      admin: `127.0.0.1:${machine.adminPort}`,
      step,
    };
    const { signal } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${root}tests/cli/upgrade_killed.ts`, JSON.stringify(facts)],
      stdin: "null",
    }).output();
    assert.equal(signal, "SIGKILL", step);
    const isPlaced = steps.indexOf(step) >= steps.indexOf("placed");
    assert.equal(await machine.installed(), isPlaced ? "1.1.0" : "1.0.0", step);
    assert.equal((await machine.upgrade("--recover")).code, 0);
    assert.equal(await machine.installed(), step === "settled" ? "1.1.0" : "1.0.0", step);
    assert.ok(!(await machine.beside()).some((name) => /\.(new|tmp)$/.test(name)), step);
  }
});
