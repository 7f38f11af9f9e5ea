import assert from "node:assert/strict";
import { edgeDefaults } from "../src/config/mod.ts";
import { startEdge } from "../src/main.ts";
import type { Log } from "../src/ports/mod.ts";
import { openSqliteStore } from "../src/store/mod.ts";
import { TrustedManufacturers } from "../src/trusted_manufacturers.ts";
import { enrollmentOf, machineTokenOf } from "./contract/machine_store.ts";
import { authority, ekCertificate, type Issued, pemOf, testNowMs } from "./support/hostile_authority.ts";
import { TempDir } from "./support/temp_dir.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

/** What was logged, one line an event. */
function recorder(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    log: (level, event, fields = {}) => void lines.push(`${level} ${event} ${JSON.stringify(fields)}`),
  };
}

async function openTrust(folder: TempDir, enrolled: readonly Issued[] = []) {
  const clock = new VirtualClock(testNowMs);
  const store = openSqliteStore(":memory:", { wall: () => clock.wall() });
  for (const [n, { der }] of enrolled.entries()) {
    await store.putEnrollmentToken(
      machineTokenOf(`t${n}`, { createdAtMs: testNowMs, expiresAtMs: testNowMs + 60_000 }),
    );
    const machine = enrollmentOf(n, { ekCertificate: der, ekIntermediates: [], maxMachines: 1_000 });
    assert.equal((await store.enrollMachine({ ...machine, enrolledAtMs: testNowMs })).outcome, "enrolled");
  }
  const { log, lines } = recorder();
  const cut: string[] = [];
  const trusted = await TrustedManufacturers.open(
    {
      ...edgeDefaults().attestation,
      rootsDirectory: folder.file("roots"),
      revocationsFile: folder.file("list.json"),
    },
    { store, clock, log, cutAgent: (agentId) => void cut.push(agentId) },
  );
  return { trusted, lines, cut, store };
}

Deno.test("TrustedManufacturers.open() says what was read, that none can enroll, and which files are not read", async () => {
  await using folder = await TempDir.make("manufacturers");
  await folder.write("roots/notes.txt", "");
  await folder.write("list.json", `{"version":1}`);
  const { trusted, lines, store } = await openTrust(folder);
  assert.match(lines.join("\n"), /info manufacturers of TPMs read .*"roots":0/);
  assert.match(lines.join("\n"), /warn no TPM can enroll/);
  assert.match(lines.join("\n"), /warn files in the roots directory are not read.*"count":1.*notes\.txt/);
  await folder.write(
    "roots/root.pem",
    pemOf(authority(), authority(undefined, { notAfterMs: testNowMs - 1_000 })),
  );
  await trusted.reload();
  assert.match(lines.join("\n"), /info manufacturers of TPMs reloaded .*"roots":2,.*"expired":1/);
  assert.equal(trusted.trust.roots.length, 2);
  await store.close();
});

Deno.test("TrustedManufacturers.reload() cuts the channels of machines that are revoked since, and of no others", async () => {
  await using folder = await TempDir.make("manufacturers");
  const root = authority();
  const machines = Array.from({ length: 70 }, () => ekCertificate(root));
  await folder.write("roots/root.pem", pemOf(root));
  await folder.write("list.json", `{"version":1}`);
  const { trusted, lines, cut, store } = await openTrust(folder, machines);
  await trusted.reload();
  assert.deepEqual(cut, []);
  const revoked = [3, 40, 69];
  const sums = await Promise.all(
    revoked.map(async (n) => new Uint8Array(await crypto.subtle.digest("SHA-256", machines[n].der)).toHex()),
  );
  const list = { version: 1, certificates: sums.map((sha256) => ({ sha256 })) };
  await folder.write("list.json", JSON.stringify(list));
  await trusted.reload();
  assert.deepEqual(cut, revoked.map((n) => enrollmentOf(n).agentId));
  assert.match(lines.at(-1)!, /warn machine is not trusted any more .*ek_certificate_revoked/);
  const [machine, other] = await Promise.all([3, 4].map((n) => store.machine(enrollmentOf(n).agentId)));
  assert.throws(() => trusted.check(machine!), { code: "ek_certificate_revoked" });
  trusted.check(other!);

  cut.length = 0;
  await folder.write("list.json", "broken");
  await trusted.reload();
  assert.match(lines.at(-1)!, /error manufacturers of TPMs kept.*ek_revocations_unusable/);
  assert.deepEqual(cut, [], "a list that cannot be read changes nothing");

  await folder.write("list.json", `{"version":1}`);
  await Deno.remove(folder.file("roots/root.pem"));
  await trusted.reload();
  assert.equal(cut.length, machines.length, "a root that is taken away takes its machines with it");
  assert.throws(() => trusted.check(other!), { code: "ek_roots_missing" });
  await store.close();
});

Deno.test("startEdge() refuses to start with a roots directory or a revocation list that it cannot read", async () => {
  await using folder = await TempDir.make("manufacturers");
  const { log } = recorder();
  const start = (overrides: Record<string, string>) =>
    startEdge(
      edgeDefaults({
        listen: "127.0.0.1:0",
        admin_listen: "off",
        state_directory: folder.file("state"),
        ...overrides,
      }),
      { log },
    );
  const roots = { "attestation.roots_directory": folder.file("roots") };
  await assert.rejects(start(roots), { code: "ek_roots_unusable" });
  await folder.write("roots/root.pem", pemOf(authority()));
  await assert.rejects(start({ ...roots, "attestation.revocations_file": folder.file("none.json") }), {
    code: "ek_revocations_unusable",
  });
});

Deno.test("RunningEdge.reload() reads manufacturers again", async () => {
  await using folder = await TempDir.make("manufacturers");
  await Deno.mkdir(folder.file("roots"));
  const { log, lines } = recorder();
  const edge = await startEdge(
    edgeDefaults({
      listen: "127.0.0.1:0",
      admin_listen: "off",
      state_directory: folder.file("state"),
      "attestation.roots_directory": folder.file("roots"),
    }),
    { log },
  );
  try {
    assert.match(lines.join("\n"), /warn no TPM can enroll/);
    await folder.write("roots/root.pem", pemOf(authority()));
    await edge.reload();
    assert.match(lines.join("\n"), /info manufacturers of TPMs reloaded .*"roots":1/);
  } finally {
    await edge.stop();
  }
});
