import assert from "node:assert/strict";
import { boundKeyVerifier, qualifyingData } from "../../src/attestation/mod.ts";
import { createPrivate, replacePrivate, systemClock, systemRandom } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { boundKeyIdentity } from "../../agent/bound_key_identity.ts";
import { TunnelStore } from "../../agent/tunnel_store.ts";
import { TempDir } from "../support/temp_dir.ts";

const hasCode = (code: string) => (error: unknown) => error instanceof PosternError && error.code === code;

Deno.test("boundKeyIdentity makes a private file once and is the same agent ever after", async () => {
  await using folder = await TempDir.make("identity");
  const path = folder.file("state/identity.key");
  const [first, racing] = await Promise.all([
    boundKeyIdentity(path, systemRandom),
    boundKeyIdentity(path, systemRandom),
  ]);
  const again = await boundKeyIdentity(path, systemRandom);
  assert.equal(first.agentId, again.agentId);
  assert.equal(racing.agentId, again.agentId);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  assert.deepEqual([...Deno.readDirSync(folder.file("state"))].map(({ name }) => name), ["identity.key"]);
});

Deno.test("boundKeyIdentity proves itself to the verifier of bound keys", async () => {
  await using folder = await TempDir.make("identity");
  const provider = await boundKeyIdentity(folder.file("identity.key"), systemRandom);
  const context = {
    purpose: "channel-open",
    sessionNonce: new Uint8Array(32).fill(1),
    authorityNonce: new Uint8Array(32).fill(2),
    handshakeHash: new Uint8Array(32).fill(3),
    agentStatic: new Uint8Array(32).fill(4),
    policyVersion: "default@1",
  } as const;
  const evidence = await provider.prove({
    qualifyingData: qualifyingData({ ...context, agentId: provider.agentId }),
  });
  const verdict = await boundKeyVerifier.verify(evidence, context);
  assert.deepEqual(verdict, { tier: "bound-key", agentId: provider.agentId });
});

Deno.test("boundKeyIdentity refuses a key that others may read: secret_file_permissions", async () => {
  await using folder = await TempDir.make("identity");
  const path = folder.file("identity.key");
  await boundKeyIdentity(path, systemRandom);
  await Deno.chmod(path, 0o640);
  await assert.rejects(boundKeyIdentity(path, systemRandom), hasCode("secret_file_permissions"));
});

Deno.test("boundKeyIdentity refuses a file without a key: identity_malformed", async () => {
  await using folder = await TempDir.make("identity");
  for (const [at, text] of ["", "no key\n", "AAAA\n", `${"A".repeat(43)}=\n`].entries()) {
    const path = folder.file(`identity-${at}.key`);
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    await assert.rejects(boundKeyIdentity(path, systemRandom), hasCode("identity_malformed"));
  }
});

Deno.test("boundKeyIdentity says state_unwritable where no file can be made", async () => {
  await using folder = await TempDir.make("identity");
  await Deno.writeTextFile(folder.file("file"), "");
  await assert.rejects(createPrivate(folder.file("file/identity.key"), "x"), hasCode("state_unwritable"));
  await Deno.mkdir(folder.file("directory/x"), { recursive: true });
  await assert.rejects(replacePrivate(folder.file("directory"), "x"), hasCode("state_unwritable"));
});

Deno.test("TunnelStore remembers tunnels in a private file and begins anew when it is damaged", async () => {
  await using folder = await TempDir.make("tunnels");
  const path = folder.file("tunnels.json");
  const tunnel = { tunnel_id: "tun_1", name: "demo", recreate_token: "secret" };
  const store = await TunnelStore.open(path, noLog, systemClock);
  await Promise.all([store.set("a", tunnel), store.set("b", tunnel), store.set("b", undefined)]);
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  const again = await TunnelStore.open(path, noLog, systemClock);
  assert.deepEqual(again.get("a"), tunnel);
  assert.equal(again.get("b"), undefined);
  await Deno.writeTextFile(path, "{");
  assert.equal((await TunnelStore.open(path, noLog, systemClock)).get("a"), undefined);
  await Deno.chmod(path, 0o644);
  await assert.rejects(TunnelStore.open(path, noLog, systemClock), hasCode("secret_file_permissions"));
});
