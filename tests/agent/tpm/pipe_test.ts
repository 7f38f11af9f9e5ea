/**
 * What stands in for the kernel's device here: pipes as standard input and output, and a pseudo terminal as a path. Both are
 * read and written like `/dev/tpmrm0`, one message at a time; that a read gives exactly one response is the kernel's
 * promise, which neither of them makes.
 */
import assert from "node:assert/strict";
import { openTpm } from "../../../agent/tpm/mod.ts";
import { openError, systemPipes } from "../../../agent/tpm/pipe.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { TempDir } from "../../support/temp_dir.ts";

const LINE_FEED = 0x0a;
const codeOfCommand = (command: Uint8Array) => new DataView(command.buffer, command.byteOffset).getUint32(6);

/** Runs deno with these words and the TPM as its standard input and output; whatever it writes has to be a command. */
async function withStandardTpm(
  args: readonly string[],
  answer: (command: Uint8Array) => Promise<Uint8Array>,
): Promise<{ stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const answers = child.stdin.getWriter();
  for await (const written of child.stdout) {
    // As the kernel does it: one write is one command, its length is in its header, what follows does not count.
    const command = written.slice(0, new DataView(written.buffer, written.byteOffset).getUint32(2));
    const wouldBeCut = command.includes(LINE_FEED) && command[command.length - 1] !== LINE_FEED;
    assert.deepEqual([...written.slice(command.length)], wouldBeCut ? [LINE_FEED] : []);
    await answers.write(new Uint8Array(await answer(command)));
  }
  await child.status;
  await answers.close().catch(() => {});
  return { stderr: await stderr };
}

const deps = { clock: systemClock, random: systemRandom };

Deno.test("a TPM may be standard input and output; once it failed it is not used again", async () => {
  await using machine = await Swtpm.start();
  const { agentId } = await openTpm({ kind: "unix", path: machine.address.slice("unix:".length) }, deps);
  let hasQuoted = false;
  const { stderr } = await withStandardTpm(
    ["run", "-A", "--no-check", new URL("stdio_program.ts", import.meta.url).pathname],
    async (command) => {
      const code = codeOfCommand(command);
      if (hasQuoted && code === 0x17a) return new TextEncoder().encode("no response of a TPM");
      if (code === 0x158) hasQuoted = true;
      return await machine.command(command);
    },
  );
  assert.deepEqual(stderr.trim().split("\n"), [
    agentId,
    "quoted 8 PCRs",
    "first: tpm_framing",
    "second: tpm_stdio_lost",
  ]);
});

Deno.test("postern attest --tpm stdio writes nothing but commands to standard output", async () => {
  await using machine = await Swtpm.start();
  const main = new URL("../../../cli/main.ts", import.meta.url).pathname;
  const shown = await withStandardTpm(
    ["run", "-A", "--no-check", main, "attest", "--dry-run", "--json", "--tpm", "stdio"],
    (command) => machine.command(command),
  );
  assert.equal(JSON.parse(shown.stderr).quote.verdict, "holds");
  const broken = await withStandardTpm(
    ["run", "-A", "--no-check", main, "attest", "--dry-run", "--json", "--tpm=stdio"],
    () => Promise.resolve(new TextEncoder().encode("no response of a TPM")),
  );
  assert.equal(JSON.parse(broken.stderr).error.code, "tpm_framing");
});

Deno.test("an agent whose TPM is standard output says everything on standard error", async () => {
  await using machine = await Swtpm.start();
  await using folder = await TempDir.make();
  const main = new URL("../../../cli/main.ts", import.meta.url).pathname;
  const words = [
    "--tpm",
    "stdio",
    "--control",
    "http://127.0.0.1:1",
    "--retry-max-elapsed",
    "100ms",
    "--admin-listen",
    "off",
  ];
  const { stderr } = await withStandardTpm(
    ["run", "-A", "--no-check", main, "http", "8080", ...words, "--state-directory", folder.file("state")],
    (command) => machine.command(command),
  );
  assert.match(stderr, /agent started.*tier=tpm/);
  assert.match(stderr, /backoff_exhausted/);
});

Deno.test("a file that is no device is refused as TPM and stays as it is, a socket is told from one", async () => {
  await using folder = await TempDir.make("no_tpm");
  const file = folder.file("agent.yaml");
  await Deno.writeTextFile(file, "version: 1");
  const open = systemPipes();
  await assert.rejects(open({ kind: "device", path: file }), {
    code: "tpm_unavailable",
    message: /no device/,
  });
  assert.equal(await Deno.readTextFile(file), "version: 1");
  const path = folder.file("socket");
  using _listener = Deno.listen({ transport: "unix", path });
  const error = await open({ kind: "device", path }).then(() => undefined, (thrown: unknown) => thrown);
  assert.match(openError(error, { kind: "device", path }).message, /unix:PATH/);
});

Deno.test("a device below /dev cannot be opened by the program as it is installed, and it says what to do", async () => {
  const script = `
    import { systemPipes } from ${
    JSON.stringify(new URL("../../../agent/tpm/pipe.ts", import.meta.url).href)
  };
    await systemPipes()({ kind: "device", path: "/dev/tty" }).catch((error) => console.log(error.code));
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", "--no-check", "--no-prompt", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(script));
  await input.close();
  const { stdout } = await child.output();
  assert.equal(new TextDecoder().decode(stdout).trim(), "tpm_device_forbidden");
});
