/**
 * What stands in for the kernel's device here: pipes as standard input and output, and a pseudo terminal as a path. Both are
 * read and written like `/dev/tpmrm0`, one message at a time; that a read gives exactly one response is the kernel's
 * promise, which neither of them makes.
 */
import assert from "node:assert/strict";
import { openTpm } from "../../../agent/tpm/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { PseudoTerminal } from "./pseudo_terminal.ts";

const deps = { clock: systemClock, random: systemRandom };

Deno.test("a TPM may be standard input and output; once it failed it is not used again", async () => {
  await using machine = await Swtpm.start();
  const { agentId } = await openTpm({ kind: "unix", path: machine.address.slice("unix:".length) }, deps);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("stdio_program.ts", import.meta.url).pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  const commands = child.stdout.getReader();
  const answers = child.stdin.getWriter();
  let quoted = false;
  for (let read = await commands.read(); read.value !== undefined; read = await commands.read()) {
    const command = read.value;
    const code = new DataView(command.buffer, command.byteOffset).getUint32(6);
    if (quoted && code === 0x17a) {
      await answers.write(new TextEncoder().encode("no response of a TPM"));
      continue;
    }
    await answers.write(new Uint8Array(await machine.command(command)));
    if (code === 0x158) quoted = true;
  }
  await child.status;
  await answers.close().catch(() => {});
  assert.deepEqual((await said).trim().split("\n"), [
    agentId,
    "quoted 8 PCRs",
    "first: tpm_framing",
    "second: tpm_stdio_lost",
  ]);
});

Deno.test("a TPM may be a character device, which is opened anew for each row of uses", async () => {
  await using machine = await Swtpm.start();
  await using device = await PseudoTerminal.open((command) => machine.command(command));
  const tpm = await openTpm({ kind: "device", path: device.path }, deps);
  const { values } = await tpm.quote({ qualifyingData: new Uint8Array(32).fill(1) });
  assert.equal(values.size, 8);
  device.answer = () => Promise.resolve(new TextEncoder().encode("no response of a TPM"));
  await assert.rejects(tpm.state(), (error) => codeOf(error) === "tpm_framing");
  device.answer = (command) => machine.command(command);
  assert.equal((await tpm.state()).loadedObjects, 0);
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
