import assert from "node:assert/strict";
import { createVerify } from "node:crypto";
import { AK_HASH, akTemplate } from "../../../agent/tpm/attestation_key.ts";
import { readBanks, readHandles, readProperties } from "../../../agent/tpm/capability.ts";
import { TpmLine } from "../../../agent/tpm/line.ts";
import { readNv } from "../../../agent/tpm/nv.ts";
import { createPrimary, policySecret, startPolicySession } from "../../../agent/tpm/objects.ts";
import { quotePcrs, readPcrs } from "../../../agent/tpm/quote.ts";
import { decodeTpm, spkiOf, TpmHr, TPMS_ATTEST, TPMT_SIGNATURE } from "../../../src/attestation/tpm/mod.ts";
import { parseTpmAddress } from "../../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { codeOf, PosternError } from "../../../src/errors/mod.ts";
import { Process } from "../../support/process.ts";
import { eventually } from "../../support/stack.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";

const lineTo = (address: string) => new TpmLine({ address: parseTpmAddress(address)!, clock: systemClock });
const ALL_PCRS = Array.from({ length: 24 }, (_, pcr) => pcr);
const DATA = new Uint8Array(32).fill(7);
const EK_INDEX = 0x01c0_0016;

/** Objects and sessions that are loaded, as the TPM counts them. */
const loadedIn = (line: TpmLine) =>
  line.use(async (turn) => [
    ...await readHandles(turn, TpmHr.transient),
    ...await readHandles(turn, TpmHr.hmacSession),
  ]);

Deno.test("a TPM tells its maker, its banks and its certificates, whole and in pieces", async () => {
  await using tpm = await Swtpm.start();
  const line = lineTo(tpm.ownAddress);
  await line.use(async (turn) => {
    const facts = await readProperties(turn);
    assert.equal(facts.manufacturer, "IBM");
    assert.ok(facts.firmwareVersion > 0n);
    assert.equal(facts.transientSlots, 3);
    assert.deepEqual(await readBanks(turn), new Map([["sha256", ALL_PCRS]]));
    const stored = await readNv(turn, EK_INDEX, facts.nvBufferBytes);
    assert.deepEqual(stored?.subarray(0, tpm.certificates.p384!.length), tpm.certificates.p384);
    assert.deepEqual(await readNv(turn, EK_INDEX, 100), stored);
    assert.equal(await readNv(turn, 0x01c0_0100, 512), undefined);
  });
});

Deno.test("quotePcrs() signs the values that it returns, and readPcrs() reads all of a bank", async () => {
  await using tpm = await Swtpm.start();
  await tpm.extend(23);
  const line = lineTo(tpm.address);
  const values = await line.use((turn) => readPcrs(turn, { bank: "sha256", pcrs: ALL_PCRS }));
  assert.deepEqual([...values.keys()], ALL_PCRS);
  const made = await line.use(async (turn) => {
    const key = await createPrimary(turn, akTemplate("agent-one"));
    const quote = await quotePcrs(
      turn,
      { handle: key.handle, hash: AK_HASH },
      { bank: "sha256", pcrs: [0, 7, 23] },
      DATA,
    );
    return { key, ...quote };
  });
  assert.deepEqual([...made.values], [0, 7, 23].map((pcr) => [pcr, values.get(pcr)!]));
  const attest = decodeTpm(TPMS_ATTEST, made.quote);
  assert.deepEqual(attest.extraData, DATA);
  const signature = decodeTpm(TPMT_SIGNATURE, made.signature);
  assert.ok(signature.algorithm === "ecdsa");
  const key = {
    key: Buffer.from(spkiOf(made.key.area)),
    format: "der",
    type: "spki",
    dsaEncoding: "ieee-p1363",
  } as const;
  const raw = new Uint8Array([...signature.r, ...signature.s]);
  assert.ok(createVerify("sha256").update(made.quote).verify(key, raw));
});

Deno.test("quotePcrs() refuses a bank that the TPM does not keep", async () => {
  await using tpm = await Swtpm.start();
  await assert.rejects(
    lineTo(tpm.ownAddress).use(async (turn) => {
      const { handle } = await createPrimary(turn, akTemplate("agent-one"));
      await quotePcrs(turn, { handle, hash: AK_HASH }, { bank: "sha384", pcrs: [0] }, DATA);
    }),
    (error) => codeOf(error) === "tpm_pcr_bank_inactive",
  );
});

Deno.test("createPrimary() makes the same attestation key each time, another one for another agent", async () => {
  await using tpm = await Swtpm.start();
  const nameFor = (agent: string) =>
    lineTo(tpm.ownAddress).use(async (turn) => (await createPrimary(turn, akTemplate(agent))).name.toHex());
  const first = await nameFor("agent-one");
  assert.equal(await nameFor("agent-one"), first);
  assert.notEqual(await nameFor("agent-two"), first);
  await tpm.reset();
  assert.equal(await nameFor("agent-one"), first);
});

Deno.test("nothing stays loaded after success, failure, abort, and a TPM that is gone in the middle", async () => {
  await using tpm = await Swtpm.start();
  const line = lineTo(tpm.ownAddress);
  const load = (then: () => Promise<unknown>, signal?: AbortSignal) =>
    line.use(async (turn) => {
      await createPrimary(turn, akTemplate("agent-one"));
      await policySecret(turn, await startPolicySession(turn, "sha256", systemRandom));
      await createPrimary(turn, akTemplate("agent-two"));
      assert.equal((await readHandles(turn, TpmHr.transient)).length, 2);
      assert.equal((await readHandles(turn, TpmHr.hmacSession)).length, 1);
      await then();
      await createPrimary(turn, akTemplate("agent-three"));
    }, signal);
  await load(() => Promise.resolve());
  assert.deepEqual(await loadedIn(line), []);

  await assert.rejects(load(() => Promise.reject(new Error("the work failed"))), /the work failed/);
  assert.deepEqual(await loadedIn(line), []);

  const abort = new AbortController();
  await assert.rejects(
    load(() => Promise.resolve(abort.abort()), abort.signal),
    (error) => codeOf(error) === "tpm_aborted",
  );
  assert.deepEqual(await loadedIn(line), []);

  // Four at once do not fit: refused, and the three that did are unloaded.
  await assert.rejects(
    line.use(async (turn) => {
      for (let at = 0; at < 4; at++) await createPrimary(turn, akTemplate(`agent-${at}`));
    }),
    (error) =>
      error instanceof PosternError && error.code === "tpm_refused" && /OBJECT_MEMORY/.test(error.message),
  );
  assert.deepEqual(await loadedIn(line), []);

  await assert.rejects(load(() => tpm.kill()), (error) => codeOf(error) === "tpm_unavailable");
  await tpm.powerOn();
  assert.deepEqual(await loadedIn(lineTo(tpm.ownAddress)), []);
});

Deno.test("an agent that was killed leaves objects behind, and the next one begins with unloading them", async () => {
  await using tpm = await Swtpm.start();
  const victim = await Deno.connect({ transport: "unix", path: tpm.ownAddress.slice("unix:".length) });
  const line = lineTo(tpm.ownAddress);
  try {
    await new TpmLine({
      address: parseTpmAddress(tpm.ownAddress)!,
      clock: systemClock,
      open: () =>
        Promise.resolve({
          isStream: true,
          read: (into) => victim.read(into),
          // Killed before it can unload anything.
          write: (from) =>
            new DataView(from.buffer).getUint32(6) === 0x165
              ? Promise.reject(new Error("killed"))
              : victim.write(from),
          close: () => {},
        }),
    }).use(async (turn) => {
      for (let at = 0; at < 3; at++) await createPrimary(turn, akTemplate(`agent-${at}`));
      await startPolicySession(turn, "sha256", systemRandom);
      assert.equal((await readHandles(turn, TpmHr.transient)).length, 3);
      assert.equal((await readHandles(turn, TpmHr.hmacSession)).length, 1);
    });
  } finally {
    victim.close();
  }
  assert.deepEqual(await loadedIn(line), []);
});

Deno.test("a TPM that is killed within a command is told as unavailable, and used again when it is back", async () => {
  await using tpm = await Swtpm.start();
  const line = lineTo(tpm.address);
  const nameOf = () =>
    line.use(async (turn) => (await createPrimary(turn, akTemplate("agent-one"))).name.toHex());
  const name = await nameOf();
  tpm.freeze();
  const lost = assert.rejects(nameOf(), (error) => codeOf(error) === "tpm_unavailable");
  await tpm.kill();
  await lost;
  await tpm.powerOn();
  assert.equal(await nameOf(), name);
});

Deno.test("fifty quotes at once wait for each other, over TCP too", async () => {
  await using tpm = await Swtpm.start({ tcp: true });
  const line = lineTo(tpm.ownAddress);
  const quotes = await Promise.all(Array.from({ length: 50 }, (_, at) =>
    line.use(async (turn) => {
      const { handle } = await createPrimary(turn, akTemplate("agent-one"));
      const data = new Uint8Array(32).fill(at);
      const { quote } = await quotePcrs(turn, { handle, hash: AK_HASH }, { bank: "sha256", pcrs: [0] }, data);
      return decodeTpm(TPMS_ATTEST, quote).extraData;
    })));
  assert.deepEqual(quotes.map((data) => data[0]), quotes.map((_, at) => at));
  assert.deepEqual(await loadedIn(line), []);
});

Deno.test("a TPM that nobody has started is told as such, and is not started", async () => {
  await using folder = await TempDir.make();
  const path = folder.file("tpm");
  await using swtpm = Process.start("swtpm", {
    args: [
      ...[
        "socket",
        "--tpm2",
        "--tpmstate",
        `dir=${folder.path}`,
        "--flags",
        "not-need-init",
        "--seccomp",
        "action=none",
      ],
      ...["--server", `type=unixio,path=${path},mode=0600`],
    ],
  });
  await swtpm.waitUntil(() => Deno.stat(path).then(() => true, () => false));
  const line = lineTo(`unix:${path}`);
  for (let attempt = 0; attempt < 2; attempt++) {
    await assert.rejects(line.use(readProperties), (error) => codeOf(error) === "tpm_not_started");
  }
});

Deno.test("a TPM whose one connection somebody else holds is given up in time, and used once it is free", async () => {
  await using tpm = await Swtpm.start();
  const address = parseTpmAddress(tpm.ownAddress)!;
  const clock = new VirtualClock();
  const line = new TpmLine({ address, clock });
  const holder = await Deno.connect({ transport: "unix", path: tpm.ownAddress.slice("unix:".length) });
  let code: string | undefined;
  line.use(readProperties).catch((error) => code = codeOf(error));
  // It waits for its place in the row of connections, or for an answer.
  await eventually("it is given up", () => {
    clock.advance((clock.nextAtMs ?? clock.now()) - clock.now());
    return code !== undefined;
  });
  assert.equal(code, "tpm_timeout");
  holder.close();
  const again = lineTo(tpm.ownAddress);
  await eventually("it is used again", () => again.use(readProperties).then(() => true, () => false));
});
