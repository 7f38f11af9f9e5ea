import assert from "node:assert/strict";
import { commandBytes, type TpmCommand } from "../../../agent/tpm/command.ts";
import { TpmLine } from "../../../agent/tpm/line.ts";
import type { TpmTurn } from "../../../agent/tpm/turn.ts";
import type { TpmAddress } from "../../../src/config/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import { settle, VirtualClock } from "../../support/virtual_clock.ts";
import {
  afterStart,
  type Answer,
  codeOf,
  NO_HANDLES,
  pass,
  quiet,
  response,
  type Script,
  ScriptedTpm,
} from "./scripted_pipe.ts";

const ADDRESS: TpmAddress = { kind: "unix", path: "/run/tpm" };
/** A command that takes nothing and gives nothing. */
const PING: TpmCommand = { name: "selfTest", parameters: Uint8Array.of(1) };
const LOAD: TpmCommand = { name: "createPrimary", makesHandle: true };
const FLUSH = 0x0165;

const ping = (turn: TpmTurn) => turn.run(PING, () => "done");
const OK = response(0);
const handleResponse = (handle: number) => {
  const body = new Uint8Array(4);
  new DataView(body.buffer).setUint32(0, handle);
  return response(0, body);
};

function lineTo(script: Script, { isStream = true, address = ADDRESS } = {}) {
  const clock = new VirtualClock();
  const tpm = new ScriptedTpm(script, isStream);
  return { clock, tpm, line: new TpmLine({ address, clock, open: tpm.open }) };
}

async function codeThrown(work: Promise<unknown>): Promise<ErrorCode> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error));
    return error.code;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

Deno.test("TpmLine.use() unloads what is left of before, once, and closes the transport when nobody waits", async () => {
  const { line, tpm } = lineTo((_command, at) => {
    const first = at === 0 ? "00" + "00000001" + "00000001" + "80000000" : undefined;
    const then = at === 2 ? "00" + "00000001" + "00000001" + "02000001" : undefined;
    const list = first ?? then;
    return [list === undefined ? OK : response(0, Uint8Array.fromHex(list))];
  });
  assert.equal(await line.use(ping), "done");
  assert.deepEqual(tpm.commands.map(codeOf), [0x17a, FLUSH, 0x17a, FLUSH, 0x143]);
  assert.deepEqual(tpm.commands[1].slice(-4), Uint8Array.fromHex("80000000"));
  assert.deepEqual(tpm.commands[3].slice(-4), Uint8Array.fromHex("02000001"));
  assert.equal(tpm.closed, 1);
  await line.use(ping);
  assert.equal(tpm.commands.length, 6);
  assert.deepEqual([tpm.opened, tpm.closed], [2, 2]);
});

Deno.test("TpmLine.use() does not interleave the commands of two uses", async () => {
  const { line, tpm } = lineTo(afterStart(() => [OK]));
  const order: string[] = [];
  const use = (name: string) =>
    line.use(async (turn) => {
      for (let step = 0; step < 3; step++) {
        await ping(turn);
        order.push(name);
        await settle();
      }
    });
  await Promise.all([use("a"), use("b"), use("c")]);
  assert.equal(order.join(""), "aaabbbccc");
  assert.equal(tpm.opened, 1);
});

Deno.test("TpmLine.use() takes a response of a stream in any pieces, and of a device in one", async () => {
  const bytes = [...OK].map((byte) => Uint8Array.of(byte));
  const { line } = lineTo(afterStart(() => bytes));
  assert.equal(await line.use(ping), "done");
  const device = lineTo(afterStart(() => [OK.subarray(0, 6), OK.subarray(6)]), { isStream: false });
  assert.equal(await codeThrown(device.line.use(ping)), "tpm_framing");
});

const garbage: readonly (readonly [string, Answer, ErrorCode])[] = [
  ["ends", [null], "tpm_unavailable"],
  ["ends within the header", [OK.subarray(0, 4), null], "tpm_unavailable"],
  ["ends within the body", [handleResponse(1).subarray(0, 12), null], "tpm_unavailable"],
  ["sends text", [new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n")], "tpm_framing"],
  ["declares 5,000 bytes", [Uint8Array.fromHex("80010000138800000000")], "tpm_framing"],
  ["declares 4 bytes", [Uint8Array.fromHex("80010000000400000000")], "tpm_framing"],
  ["sends two responses", [new Uint8Array([...OK, ...OK])], "tpm_framing"],
  ["sends more than the command answers", [response(0, Uint8Array.of(1))], "tpm_response_invalid"],
  ["sends an error with a body", [response(0x922, Uint8Array.of(1))], "tpm_framing"],
];
for (const [what, answer, code] of garbage) {
  Deno.test(`TpmLine.use() gives a transport up for good when the TPM ${what}, and opens another`, async () => {
    let isBroken = true;
    const { line, tpm } = lineTo(afterStart(() => isBroken ? answer : [OK]));
    assert.equal(await codeThrown(line.use(ping)), code);
    assert.equal(tpm.closed, 1);
    isBroken = false;
    assert.equal(await line.use(ping), "done");
    assert.deepEqual([tpm.opened, tpm.closed], [2, 2]);
    // What the cut use may have left is unloaded first.
    assert.deepEqual(tpm.commands.map(codeOf), [0x17a, 0x17a, 0x143, 0x17a, 0x17a, 0x143]);
  });
}

Deno.test("TpmLine.use() gives up a TPM that does not answer within ten seconds", async () => {
  const { line, clock, tpm } = lineTo(afterStart(() => []));
  const used = codeThrown(line.use(ping));
  await pass(clock, 9_999);
  assert.equal(tpm.closed, 0);
  await pass(clock, 1);
  assert.equal(await used, "tpm_timeout");
  assert.equal(tpm.closed, 1);
  assert.equal(clock.pending, 0);
});

Deno.test("TpmLine.use() waits longer and longer while the TPM answers RETRY, YIELDED or TESTING", async () => {
  const answers = [0x922, 0x908, 0x90a, 0];
  const { line, clock, tpm } = lineTo(afterStart((_command, at) => [response(answers[at])]));
  const used = line.use(ping);
  for (const [at, ms] of [10, 20, 40].entries()) {
    await pass(clock, ms - 1);
    assert.equal(tpm.commands.length, 3 + at);
    await pass(clock, 1);
    assert.equal(tpm.commands.length, 4 + at);
  }
  assert.equal(await used, "done");
});

Deno.test("TpmLine.use() fails with tpm_busy when a TPM asks for patience for ten seconds, and goes on with it", async () => {
  let code = 0x922;
  const { line, clock, tpm } = lineTo(afterStart(() => [response(code)]));
  const used = codeThrown(line.use(ping));
  await pass(clock, 10_000);
  assert.equal(await used, "tpm_busy");
  code = 0;
  await line.use(ping);
  assert.equal(tpm.commands.filter((each) => codeOf(each) === 0x17a).length, 2, "no new start was needed");
});

Deno.test("TpmLine.use() that is aborted while the TPM asks for patience is not tried again", async () => {
  const { line, clock, tpm } = lineTo(afterStart(() => [response(0x922)]));
  const abort = new AbortController();
  const used = codeThrown(line.use(ping, abort.signal));
  await pass(clock, 9);
  abort.abort();
  assert.equal(await used, "tpm_aborted");
  await pass(clock, 1_000);
  assert.equal(tpm.commands.length, 3);
  assert.equal(line.size, 0);
});

Deno.test("TpmLine.use() lets a TPM test itself that wants to, once", async () => {
  const { line, tpm } = lineTo(afterStart((_command, at) => [response([0x153, 0, 0][at])]));
  assert.equal(await line.use((turn) => turn.run({ name: "pcrRead" }, () => "read")), "read");
  assert.deepEqual(tpm.commands.slice(2).map(codeOf), [0x17e, 0x143, 0x17e]);
  const never = lineTo(afterStart((command) => [response(codeOf(command) === 0x143 ? 0 : 0x153)]));
  assert.equal(
    await codeThrown(never.line.use((turn) => turn.run({ name: "pcrRead" }, () => 0))),
    "tpm_refused",
  );
});

for (
  const [rc, code] of [
    [0x100, "tpm_not_started"],
    [0x101, "tpm_failure"],
    [0x921, "tpm_lockout"],
    [0x9a2, "tpm_refused"],
  ] as const
) {
  Deno.test(`TpmLine.use() tells the answer 0x${rc.toString(16)} as ${code} and keeps the transport`, async () => {
    const { line, tpm } = lineTo(afterStart(() => [response(rc)]));
    const [failed, next] = [line.use(ping), line.use(ping)];
    await assert.rejects(failed, (error) => {
      assert.ok(error instanceof PosternError);
      assert.equal(error.code, code);
      assert.deepEqual(error.detail, { command: "selfTest", rc });
      return true;
    });
    await assert.rejects(next);
    assert.equal(tpm.opened, 1);
  });
}

Deno.test("TpmLine.use() unloads what a use has loaded, also when the use throws", async () => {
  let next = 0x8000_0000;
  const { line, tpm } = lineTo(
    afterStart((command) => [codeOf(command) === 0x131 ? handleResponse(next++) : OK]),
  );
  await assert.rejects(
    line.use(async (turn) => {
      await turn.run(LOAD, () => 0);
      await turn.flush(await turn.run(LOAD, (_reader, handle) => handle));
      await turn.run(LOAD, () => 0);
      throw new Error("the work failed");
    }),
    /the work failed/,
  );
  const flushed = tpm.commands.filter((each) => codeOf(each) === FLUSH).map((each) => each.slice(-4).toHex());
  assert.deepEqual(flushed, ["80000001", "80000002", "80000000"]);
});

Deno.test("TpmLine.use() opens anew when something cannot be unloaded", async () => {
  const { line, tpm } = lineTo(
    afterStart((command) => [
      codeOf(command) === 0x131
        ? handleResponse(0x8000_0000)
        : codeOf(command) === FLUSH
        ? response(0x101)
        : OK,
    ]),
  );
  assert.equal(await line.use((turn) => turn.run(LOAD, () => "loaded")), "loaded");
  assert.equal(tpm.closed, 1);
  await line.use(ping);
  assert.equal(tpm.commands.filter((each) => codeOf(each) === 0x17a).length, 4);
});

Deno.test("TpmLine.use() that is aborted while it waits sends nothing", async () => {
  const { line, tpm } = lineTo(afterStart(() => [OK]));
  const abort = new AbortController();
  const [first, second] = [line.use(ping), line.use(ping, abort.signal)];
  abort.abort();
  assert.equal(await codeThrown(second), "tpm_aborted");
  await first;
  assert.equal(tpm.commands.length, 3);
  assert.equal(await codeThrown(line.use(ping, abort.signal)), "tpm_aborted");
  assert.equal(line.size, 0);
});

Deno.test("TpmLine.use() that is aborted within a command tells so at once; what the command loads is unloaded", async () => {
  let answer: (pieces: Answer) => void = () => {};
  const { line, tpm } = lineTo(
    afterStart((command) => codeOf(command) === 0x131 ? new Promise((resolve) => answer = resolve) : [OK]),
  );
  const abort = new AbortController();
  const used = codeThrown(line.use(async (turn) => {
    await turn.run(LOAD, () => 0);
    await turn.run(LOAD, () => 0);
  }, abort.signal));
  await quiet();
  abort.abort();
  assert.equal(await used, "tpm_aborted");
  const next = line.use(ping);
  answer([handleResponse(0x8000_0000)]);
  assert.equal(await next, "done");
  assert.deepEqual(tpm.commands.slice(2).map(codeOf), [0x131, FLUSH, 0x143]);
});

Deno.test("TpmLine.use() refuses more than it can let wait", async () => {
  const { line } = lineTo(afterStart(() => []));
  const abort = new AbortController();
  const uses = Array.from({ length: 1_025 }, () => codeThrown(line.use(ping, abort.signal)));
  assert.equal(line.size, 1_025);
  assert.equal(await codeThrown(line.use(ping)), "tpm_busy");
  abort.abort();
  for (const code of await Promise.all(uses)) assert.equal(code, "tpm_aborted");
});

Deno.test("TpmLine.use() tries three times to open a TPM and then says what is wrong", async () => {
  const clock = new VirtualClock();
  let attempts = 0;
  const line = new TpmLine({
    address: ADDRESS,
    clock,
    open: () => {
      attempts++;
      return Promise.reject(new Deno.errors.ConnectionRefused("refused"));
    },
  });
  const used = line.use(ping);
  used.catch(() => {});
  const waiting = codeThrown(line.use(ping));
  await pass(clock, 500);
  await assert.rejects(used, /Cannot reach the TPM at unix:\/run\/tpm: connection refused/);
  assert.equal(await waiting, "tpm_unavailable");
  assert.equal(attempts, 3, "for those who wait, too");
  assert.equal(line.size, 0);
  assert.equal(clock.pending, 0);
});

Deno.test("TpmLine.use() does not wait for ever for an open, and closes one that comes late", async () => {
  const clock = new VirtualClock();
  const tpm = new ScriptedTpm(() => [NO_HANDLES]);
  let late: () => void = () => {};
  const line = new TpmLine({
    address: ADDRESS,
    clock,
    open: async (address) => {
      await new Promise<void>((resolve) => late = resolve);
      return await tpm.open(address);
    },
  });
  const used = codeThrown(line.use(ping));
  await pass(clock, 15_500);
  assert.equal(await used, "tpm_timeout");
  late();
  await quiet();
  assert.deepEqual([tpm.opened, tpm.closed], [1, 1]);
});

Deno.test("TpmLine.use() keeps standard input and output open, and cannot open them again", async () => {
  let isBroken = false;
  const tpm = new ScriptedTpm(afterStart(() => isBroken ? [null] : [OK]), false);
  let isTaken = false;
  const line = new TpmLine({
    address: { kind: "stdio" },
    clock: new VirtualClock(),
    open: (address) => {
      if (isTaken) throw new PosternError("tpm_stdio_lost");
      isTaken = true;
      return tpm.open(address);
    },
  });
  await line.use(ping);
  await line.use(ping);
  assert.deepEqual([tpm.opened, tpm.closed], [1, 0]);
  isBroken = true;
  assert.equal(await codeThrown(line.use(ping)), "tpm_unavailable");
  assert.equal(await codeThrown(line.use(ping)), "tpm_stdio_lost");
});

Deno.test("commandBytes() refuses a command that no TPM takes", () => {
  assert.throws(() => commandBytes({ name: "quote", parameters: new Uint8Array(4_087) }), RangeError);
});
