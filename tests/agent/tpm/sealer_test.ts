import assert from "node:assert/strict";
import { TpmSealer } from "../../../agent/tpm/mod.ts";
import { type OpenPipe, systemPipes, type TpmPipe } from "../../../agent/tpm/pipe.ts";
import { concat, toHex } from "../../../src/bytes/mod.ts";
import { parseTpmAddress } from "../../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { codeOf, PosternError } from "../../../src/errors/mod.ts";
import type { Random } from "../../../src/ports/mod.ts";
import { broken } from "../../support/fuzz.ts";
import { seeded } from "../../support/mutation.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { response } from "./scripted_pipe.ts";

const sealerOf = (
  { address }: Swtpm,
  parts: { readonly open?: OpenPipe; readonly random?: Random } = {},
) =>
  new TpmSealer({ address: parseTpmAddress(address)!, clock: systemClock, random: systemRandom, ...parts });
const refused = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));
const KEY = Uint8Array.from({ length: 32 }, (_, at) => 0xa0 + at);
/** TPM_CC_Unseal and TPM_CC_Create, where a command has its code. */
const UNSEAL = 0x15e;
const codeOfCommand = (command: Uint8Array) => new DataView(command.buffer, command.byteOffset).getUint32(6);

/** The pipe of this machine, past which every command and every answer goes. */
function watched(pass: (command: Uint8Array, answer: Uint8Array) => Uint8Array): OpenPipe {
  const open = systemPipes();
  return async (address) => {
    const pipe = await open(address);
    let command: Uint8Array = new Uint8Array();
    return {
      isStream: pipe.isStream,
      write: (bytes) => {
        command = bytes.slice();
        return pipe.write(bytes);
      },
      read: async (into) => {
        const length = await pipe.read(into) ?? 0;
        into.set(pass(command, into.slice(0, length)));
        return length;
      },
      close: () => pipe.close(),
    } satisfies TpmPipe;
  };
}

Deno.test("TpmSealer.unseal() gives back what the same TPM sealed, also after a power cycle", async () => {
  await using tpm = await Swtpm.start();
  const sealed = await sealerOf(tpm).seal(KEY);
  assert.deepEqual(await sealerOf(tpm).unseal(sealed), KEY);
  await tpm.kill();
  await tpm.powerOn();
  assert.deepEqual(await sealerOf(tpm).unseal(sealed), KEY);
  for (const range of ["transient", "loaded-session"]) {
    assert.match(await tpm.tool("getcap", `handles-${range}`), /^\s*$/, "nothing stays loaded");
  }
});

Deno.test("TpmSealer.unseal() on another TPM, and after the owner cleared it: identity_seal_foreign, identity_seal_cleared", async () => {
  await using tpm = await Swtpm.start({ name: "first" });
  await using other = await Swtpm.start({ name: "second" });
  const sealed = await sealerOf(tpm).seal(KEY);
  await refused("identity_seal_foreign", sealerOf(other).unseal(sealed));
  // Also where somebody wrote the other TPM's key into the copy.
  const there = await sealerOf(other).seal(KEY);
  await refused(
    "identity_seal_damaged",
    sealerOf(other).unseal({ ...sealed, storageName: there.storageName }),
  );
  await tpm.tool("clear", "-c", "l");
  await refused("identity_seal_cleared", sealerOf(tpm).unseal(sealed));
});

Deno.test("TpmSealer.seal() under an owner's password: identity_seal_owner_locked", async () => {
  await using tpm = await Swtpm.start();
  const sealed = await sealerOf(tpm).seal(KEY);
  await tpm.tool("changeauth", "-c", "owner", "secret");
  await refused("identity_seal_owner_locked", sealerOf(tpm).seal(KEY));
  await refused("identity_seal_owner_locked", sealerOf(tpm).unseal(sealed));
});

Deno.test("TpmSealer with PCRs opens only while they are as they were: identity_seal_pcrs_changed", async () => {
  await using tpm = await Swtpm.start();
  const pcrs = { bank: "sha256", pcrs: [7, 16] } as const;
  const sealed = await sealerOf(tpm).seal(KEY, pcrs);
  assert.deepEqual(await sealerOf(tpm).unseal(sealed), KEY);
  const { pcrs: _dropped, ...without } = sealed;
  await assert.rejects(sealerOf(tpm).unseal(without), "the policy is the TPM's, not the file's");
  await tpm.extend(16);
  await refused("identity_seal_pcrs_changed", sealerOf(tpm).unseal(sealed));
  const inactive = sealerOf(tpm).seal(KEY, { bank: "sha512", pcrs: [7] });
  await refused("tpm_pcr_bank_inactive", inactive);
});

Deno.test("TpmSealer: nobody reads the key on the bus, and nobody alters an answer: tpm_response_invalid", async () => {
  await using tpm = await Swtpm.start();
  const heard: Uint8Array[] = [];
  const open = watched((command, answer) => {
    heard.push(command, answer);
    return answer;
  });
  const sealed = await sealerOf(tpm, { open }).seal(KEY);
  assert.deepEqual(await sealerOf(tpm, { open }).unseal(sealed), KEY);
  assert.ok(heard.length > 20 && !toHex(concat(...heard)).includes(toHex(KEY.subarray(0, 8))));
  for (const at of [14 + 2, 14 + 33, 14 + 34 + 2 + 5, 14 + 34 + 2 + 32]) {
    const altering = watched((command, answer) => {
      if (codeOfCommand(command) !== UNSEAL) return answer;
      const altered = answer.slice();
      altered[at] ^= 1;
      return altered;
    });
    await refused("tpm_response_invalid", sealerOf(tpm, { open: altering }).unseal(sealed));
  }
});

Deno.test("TpmSealer.unseal() refuses every altered blob", async () => {
  await using tpm = await Swtpm.start();
  const sealed = await sealerOf(tpm).seal(KEY);
  const sealer = sealerOf(tpm);
  for (const part of ["publicArea", "privateArea"] as const) {
    for (let at = 0; at < sealed[part].length; at += 5) {
      const altered = sealed[part].slice();
      altered[at] ^= 4;
      await refused("identity_seal_damaged", sealer.unseal({ ...sealed, [part]: altered }));
    }
  }
});

Deno.test("TpmSealer.unseal() takes broken answers for nothing: a code, or the key as it was", async () => {
  await using tpm = await Swtpm.start();
  const sealed = await sealerOf(tpm).seal(KEY, { bank: "sha256", pcrs: [7] });
  const exchanges: { readonly command: string; readonly answer: Uint8Array<ArrayBuffer> }[] = [];
  const recording = watched((command, answer) => {
    exchanges.push({ command: toHex(command), answer: new Uint8Array(answer) });
    return answer;
  });
  const run = (open: OpenPipe): Promise<Uint8Array> =>
    sealerOf(tpm, { open, random: fixedRandom() }).unseal(sealed);
  assert.deepEqual(await run(recording), KEY);
  const random = seeded(7);
  const answers = exchanges.map((one) => one.answer);
  for (let round = 0; round < 400; round++) {
    const at = round % exchanges.length;
    const answer = broken(answers[at], answers, random);
    try {
      assert.deepEqual(await run(replaying(exchanges, at, answer)), KEY);
    } catch (error) {
      assert.ok(error instanceof PosternError, `round ${round}: ${error}`);
    }
  }
});

/** The same numbers at every start: a question that was recorded is asked again. */
function fixedRandom(): Random {
  let next = 1;
  return (bytes) => Uint8Array.from({ length: bytes }, () => next = next * 31 % 251);
}

/** Answers as was recorded, but for one. What was never asked is refused (TPM_RC_VALUE). */
function replaying(
  exchanges: readonly { command: string; answer: Uint8Array }[],
  at: number,
  answer: Uint8Array,
): OpenPipe {
  return () => {
    let asked = "";
    return Promise.resolve({
      isStream: false,
      write: (bytes) => {
        asked = toHex(bytes);
        return Promise.resolve(bytes.length);
      },
      read: (into) => {
        const found = exchanges.findIndex(({ command }) => command === asked);
        const bytes = found === at ? answer : exchanges[found]?.answer ?? response(0x84);
        into.set(bytes.subarray(0, into.length));
        return Promise.resolve(Math.min(bytes.length, into.length));
      },
      close: () => {},
    });
  };
}
