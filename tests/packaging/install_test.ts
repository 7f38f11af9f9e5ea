import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Process } from "../support/process.ts";
import { TempDir } from "../support/temp_dir.ts";

const script = new URL("../../packaging/install.sh", import.meta.url).pathname;

/** A staging directory with an executable to install. */
class Stage implements AsyncDisposable {
  readonly #folder: TempDir;
  readonly binary: string;
  readonly root: string;

  private constructor(folder: TempDir, binary: string) {
    this.#folder = folder;
    this.binary = binary;
    this.root = folder.file("the root");
  }

  static async make(): Promise<Stage> {
    const folder = await TempDir.make("install");
    const stage = new Stage(folder, await folder.write("postern", "", 0o755));
    await stage.fill("#!/bin/sh\necho one\n");
    return stage;
  }

  /** Replaces the executable and its digest. */
  async fill(content: string): Promise<void> {
    await Deno.writeTextFile(this.binary, content);
    const digest = createHash("sha256").update(content).digest("hex");
    await Deno.writeTextFile(`${this.binary}.sha256`, `${digest}  postern\n`);
  }

  run(...args: string[]) {
    return Process.run(script, { args: ["--root", this.root, ...args] });
  }

  install(...args: string[]) {
    return this.run("--binary", this.binary, ...args);
  }

  /** Relative path -> permission bits of every file below the root. */
  files(): Record<string, number> {
    const found: Record<string, number> = {};
    const visit = (path: string) => {
      for (const entry of Deno.readDirSync(path)) {
        const child = `${path}/${entry.name}`;
        if (entry.isDirectory) visit(child);
        else found[child.slice(this.root.length)] = Deno.statSync(child).mode! & 0o777;
      }
    };
    try {
      visit(this.root);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return found;
  }

  read(path: string): string {
    return Deno.readTextFileSync(this.root + path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

const everything = {
  "/etc/postern/agent.yaml": 0o644,
  "/etc/postern/edge.yaml": 0o644,
  "/etc/systemd/system/postern-agent.service": 0o644,
  "/etc/systemd/system/postern-edge.service": 0o644,
  "/usr/local/bin/postern": 0o755,
};

Deno.test("install.sh puts executable, units and configuration in place", async () => {
  await using stage = await Stage.make();
  const { code, stderr } = await stage.install();
  assert.equal(code, 0, stderr);
  assert.deepEqual(stage.files(), everything);
  assert.equal(stage.read("/usr/local/bin/postern"), "#!/bin/sh\necho one\n");
});

Deno.test("install.sh run again changes nothing, keeps configuration and takes a new executable", async () => {
  await using stage = await Stage.make();
  await stage.install();
  await Deno.writeTextFile(`${stage.root}/etc/postern/edge.yaml`, "version: 1\n");
  assert.match((await stage.install()).stdout, /everything is in place already/);
  await stage.fill("#!/bin/sh\necho two\n");
  const { stdout } = await stage.install();
  assert.match(stdout, /install .*\/usr\/local\/bin\/postern/);
  assert.doesNotMatch(stdout, /install .*\.(service|yaml)/);
  assert.equal(stage.read("/usr/local/bin/postern"), "#!/bin/sh\necho two\n");
  assert.equal(stage.read("/etc/postern/edge.yaml"), "version: 1\n");
  assert.deepEqual(stage.files(), everything);
});

Deno.test("install.sh --role installs one role", async () => {
  await using stage = await Stage.make();
  await stage.install("--role", "agent");
  assert.deepEqual(Object.keys(stage.files()).filter((path) => path.includes("edge")), []);
  assert.equal(Object.keys(stage.files()).length, 3);
});

Deno.test("install.sh --role installs a connector or a tunneler, says which token it lacks, and takes it away again", async () => {
  for (const role of ["connector", "tunneler"]) {
    await using stage = await Stage.make();
    const { code, stdout } = await stage.install("--role", role);
    assert.equal(code, 0);
    assert.deepEqual(Object.keys(stage.files()).sort(), [
      `/etc/postern/${role}.yaml`,
      `/etc/systemd/system/postern-${role}.service`,
      "/usr/local/bin/postern",
    ]);
    assert.match(stdout, new RegExp(`into /etc/postern/${role}\\.token, mode 600`));
    assert.equal((await stage.run("--uninstall", "--purge")).code, 0);
    assert.deepEqual(stage.files(), {});
  }
});

Deno.test("install.sh refuses an executable without digest or with another one, and installs nothing", async () => {
  await using stage = await Stage.make();
  await Deno.writeTextFile(stage.binary, "changed on the way");
  const changed = await stage.install();
  assert.equal(changed.code, 1);
  assert.match(changed.stderr, /does not hash to/);
  await Deno.remove(`${stage.binary}.sha256`);
  const unknown = await stage.install();
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /there is no .*\.sha256/);
  assert.deepEqual(stage.files(), {});
  const digest = createHash("sha256").update("changed on the way").digest("hex");
  assert.equal((await stage.install("--sha256", digest)).code, 0);
});

Deno.test("install.sh --dry-run says what it would do and does nothing", async () => {
  await using stage = await Stage.make();
  const { code, stdout } = await stage.install("--dry-run");
  assert.equal(code, 0);
  for (const path of Object.keys(everything)) {
    assert.ok(stdout.includes(`install ${stage.root}${path}`), path);
  }
  assert.deepEqual(stage.files(), {});
  await stage.install();
  assert.match((await stage.run("--uninstall", "--purge", "--dry-run")).stdout, /remove .*\/etc\/postern/);
  assert.deepEqual(stage.files(), everything);
});

Deno.test("install.sh --uninstall keeps configuration, --purge does not, and both can be repeated", async () => {
  await using stage = await Stage.make();
  await stage.install();
  assert.equal((await stage.run("--uninstall")).code, 0);
  assert.deepEqual(Object.keys(stage.files()).sort(), ["/etc/postern/agent.yaml", "/etc/postern/edge.yaml"]);
  assert.equal((await stage.run("--uninstall", "--purge")).code, 0);
  assert.deepEqual(stage.files(), {});
  const again = await stage.run("--uninstall", "--purge");
  assert.equal(again.code, 0);
  assert.match(again.stdout, /nothing to remove/);
});

Deno.test("install.sh refuses arguments that it does not know with exit code 2", async () => {
  await using stage = await Stage.make();
  for (const args of [["--what"], ["--role", "viewer"], ["--purge"], ["--binary"]]) {
    assert.equal((await stage.run(...args)).code, 2, args.join(" "));
  }
});
