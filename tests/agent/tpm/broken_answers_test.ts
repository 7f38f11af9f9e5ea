/** A TPM, or what sits before it, that answers with something broken. */
import assert from "node:assert/strict";
import { openTpm } from "../../../agent/tpm/mod.ts";
import { type OpenPipe, systemPipes, type TpmPipe } from "../../../agent/tpm/pipe.ts";
import { verifyQuote } from "../../../src/attestation/tpm/mod.ts";
import { toHex } from "../../../src/bytes/mod.ts";
import { parseTpmAddress } from "../../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { PosternError } from "../../../src/errors/mod.ts";
import { broken } from "../../support/fuzz.ts";
import { seeded } from "../../support/mutation.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { response } from "./scripted_pipe.ts";

const RUNS = 600;
const data = new Uint8Array(32).fill(9);
const clock = systemClock;

/** TPM_RC_VALUE: what is asked for after an answer was broken may be something that was never recorded. */
const REFUSED = response(0x84);

interface Exchange {
  readonly command: string;
  readonly answer: Uint8Array<ArrayBuffer>;
}

/** Opens what `open` opens and notes what is said. Answers of this size come in one piece. */
function recording(open: OpenPipe, exchanges: Exchange[]): OpenPipe {
  return async (address) => {
    const pipe = await open(address);
    let command = "";
    return {
      isStream: pipe.isStream,
      write: (bytes) => {
        command = toHex(bytes);
        return pipe.write(bytes);
      },
      read: async (into) => {
        const length = await pipe.read(into);
        // The same question has the same answer: handles and PCRs are as before.
        if (!exchanges.some((one) => one.command === command)) {
          exchanges.push({ command, answer: into.slice(0, length ?? 0) });
        }
        return length;
      },
      close: () => pipe.close(),
    };
  };
}

/** Answers as was recorded, but for the exchange `at`, which is broken once. */
function replaying(exchanges: readonly Exchange[], at: number, answer: Uint8Array): TpmPipe {
  let asked = "";
  let isBroken = false;
  return {
    isStream: false,
    write: (bytes) => {
      asked = toHex(bytes);
      return Promise.resolve(bytes.length);
    },
    read: (into) => {
      const found = exchanges.findIndex(({ command }) => command === asked);
      const breaks = !isBroken && found === at;
      isBroken ||= breaks;
      const bytes = breaks ? answer : exchanges[found]?.answer ?? REFUSED;
      into.set(bytes.subarray(0, into.length));
      return Promise.resolve(Math.min(bytes.length, into.length));
    },
    close: () => {},
  };
}

Deno.test("openTpm() and quote() take broken answers for nothing: a code, or the same TPM as before", async () => {
  await using machine = await Swtpm.start();
  const address = parseTpmAddress(machine.address)!;
  const exchanges: Exchange[] = [];
  const open = recording(systemPipes(), exchanges);
  const whole = await openTpm(address, { clock, random: systemRandom, open });
  await whole.quote({ qualifyingData: data });
  assert.ok(exchanges.length > 10, `only ${exchanges.length} exchanges`);

  const random = seeded(3);
  const answers = exchanges.map(({ answer }) => answer);
  const codes = new Map<string, number>();
  for (let run = 0; run < RUNS; run++) {
    const at = run % exchanges.length;
    const answer = broken(answers[at], answers, random);
    let opened = 0;
    let closed = 0;
    const replay: OpenPipe = () => {
      opened++;
      const pipe = replaying(exchanges, at, answer);
      return Promise.resolve({ ...pipe, close: () => void closed++ });
    };
    try {
      const tpm = await openTpm(address, { clock, random: systemRandom, open: replay });
      const { quote, signature, values } = await tpm.quote({ qualifyingData: data });
      const hex = Object.fromEntries([...values].map(([pcr, value]) => [pcr, toHex(value)]));
      codes.set("taken", (codes.get("taken") ?? 0) + 1);
      verifyQuote({
        quote,
        signature,
        akPublic: whole.akPublicBytes,
        qualifyingData: data,
        selection: { bank: "sha256", pcrs: [0, 1, 2, 3, 4, 5, 6, 7] },
        pcrs: { bank: "sha256", values: hex },
      });
    } catch (error) {
      assert.ok(
        error instanceof PosternError,
        `${toHex(answer)} in place of ${toHex(answers[at])}: ${error}`,
      );
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    }
    assert.equal(closed, opened, "every transport is closed");
  }
  assert.ok((codes.get("tpm_framing") ?? 0) > 50, "the frame breaks");
  assert.ok((codes.get("tpm_response_invalid") ?? 0) > 50, "the content breaks");
});
