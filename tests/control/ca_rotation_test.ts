import assert from "node:assert/strict";
import { NodeAuthorities } from "../../src/control/mod.ts";
import { advanceRotation, startRotation } from "../../src/control/ca_rotation.ts";
import { codeOf } from "../../src/errors/mod.ts";
import {
  checkPeerCertificate,
  readNodeCertificate,
  type TrustBundle,
  verifyTrustBundle,
} from "../../src/pki/mod.ts";
import type { Store } from "../../src/ports/mod.ts";
import { MemoryVault } from "../support/memory_vault.ts";
import { enrolledNode, type HeldIdentity, renewal, renewedOf } from "./nodes.ts";
import { type Control, openControl } from "./support.ts";

const refused = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));

/** What a node that holds `bundle` believes now. */
async function followed(control: Control, bundle: TrustBundle): Promise<TrustBundle> {
  control.clock.advance(5_000);
  const { json } = await control.get(`/v1/trust-bundle?after=${bundle.version}`);
  return json.trust_bundles.reduce(
    (held: TrustBundle, document: unknown) => verifyTrustBundle(document, held, control.clock.wall()),
    bundle,
  );
}

async function accepts(control: Control, bundle: TrustBundle, peer: HeldIdentity): Promise<string> {
  const { list } = await control.deps.identities.revocations();
  try {
    checkPeerCertificate(peer.chain, bundle, list, { nowMs: control.clock.wall(), usage: "client" });
    return "ok";
  } catch (error) {
    return codeOf(error);
  }
}

async function renewed(control: Control, held: HeldIdentity): Promise<HeldIdentity> {
  const answer = await renewal(control, held);
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  return { ...renewedOf(held, held.keys, answer), bundle: await followed(control, held.bundle) };
}

const issuerOf = (held: HeldIdentity) => readNodeCertificate(held.chain[1]).sha256;
const stagesOf = async (store: Store) =>
  (await store.auditEntries(50)).filter(({ action }) => action === "ca.rotate").map(({ detail }) =>
    detail.stage
  ).toReversed();

for (const what of ["issuing", "root"] as const) {
  Deno.test(`a rotation of the ${what} publishes, issues, waits for the last node, and retires`, async () => {
    await using control = await openControl();
    const { deps, clock } = control;
    const first = await enrolledNode(control, "tunneler", "t1");
    const absent = await enrolledNode(control, "tunneler", "t2");
    const rotation = await startRotation(deps, "ops", what);
    await refused("ca_rotation_running", startRotation(deps, "ops", what));
    assert.equal(await advanceRotation(deps), "waiting");

    // Published: the old one issues, both are in the bundle, and the new bundle is believed by the old.
    const published = await renewed(control, first);
    assert.equal(issuerOf(published), rotation.from);
    assert.deepEqual([published.bundle.version, published.bundle.issuers.length], [2, 2]);
    assert.equal(published.bundle.roots.length, what === "root" ? 2 : 1);

    clock.advance(deps.config.identity.publishMs);
    assert.equal(await advanceRotation(deps), "activated");
    const activated = await renewed(control, published);
    assert.equal(issuerOf(activated), rotation.to);
    // Dual validation: each is believed by whoever holds the published bundle.
    assert.equal(await accepts(control, published.bundle, activated), "ok");
    assert.equal(await accepts(control, activated.bundle, absent), "ok");

    clock.advance(120_000);
    assert.equal(await advanceRotation(deps), "waiting", "one has a certificate of the old one still");
    const last = await renewed(control, absent);
    assert.equal(
      await advanceRotation(deps),
      "waiting",
      "its channels may not have seen the new certificate",
    );
    clock.advance(60_000);
    assert.equal(await advanceRotation(deps), "retired");
    assert.equal(await advanceRotation(deps), "none");
    const after = await followed(control, first.bundle);
    assert.equal(after.version, 3, "from the first bundle on, each is believed by the one before");
    assert.equal(await accepts(control, after, last), "ok");
    assert.equal(await accepts(control, after, published), "peer_issuer_retired");
    assert.deepEqual(
      await deps.identities.authority("issuing", readNodeCertificate(published.chain[1])),
      undefined,
    );
    assert.deepEqual(await stagesOf(control.store), ["published", "activated", "retired"]);
    assert.equal((await renewed(control, last)).bundle.version, 3);

    // And the next one.
    await startRotation(deps, "ops", "issuing");
    assert.equal((await followed(control, after)).issuers.length, 3);
  });
}

Deno.test("a rotation ends also when the nodes of the old issuing CA do not come any more", async () => {
  await using control = await openControl();
  const { deps, clock } = control;
  const held = await enrolledNode(control);
  await startRotation(deps, "ops", "issuing");
  clock.advance(deps.config.identity.publishMs);
  assert.equal(await advanceRotation(deps), "activated");
  clock.advance(300_000);
  assert.equal(await advanceRotation(deps), "waiting");
  clock.advance(60_000);
  assert.equal(await advanceRotation(deps), "retired");
  assert.equal(
    (await renewal(control, held)).status,
    200,
    "within the grace time it comes back all the same",
  );
});

Deno.test("a control that is killed at any write of a rotation goes on from where it was", async () => {
  for (let fatal = 1; fatal < 16; fatal++) {
    const vault = new MemoryVault();
    await using control = await openControl({ vault });
    const { clock } = control;
    let held = await enrolledNode(control, "tunneler", "t1");
    let writes = 0;
    const store = new Proxy(control.store, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== "saveAuthorities" && name !== "appendAudit") return value;
        return async (...args: unknown[]) => {
          if (++writes === fatal) throw new Error("killed before the write");
          const result = await value.apply(target, args);
          if (++writes === fatal) throw new Error("killed after the write");
          return result;
        };
      },
    });
    const start = async () => {
      const identities = await NodeAuthorities.open({
        ...control.deps,
        store,
        vault,
        trustDomain: "tunnel.example",
      });
      return { ...control.deps, store, identities };
    };
    let deps = await start();
    const survive = async (step: () => Promise<unknown>) => {
      try {
        await step();
      } catch (error) {
        assert.match(String(error), /killed/);
        deps = await start();
      }
    };
    await survive(() => startRotation(deps, "ops", "issuing"));
    if (deps.identities.state.rotation === undefined) await startRotation(deps, "ops", "issuing");
    const { to } = deps.identities.state.rotation!;
    clock.advance(deps.config.identity.publishMs);
    await survive(() => advanceRotation(deps));
    await survive(() => advanceRotation(deps));
    clock.advance(60_000);
    await control.deps.identities.refresh(0);
    held = await renewed(control, held);
    for (let turn = 0; turn < 5; turn++) {
      await survive(() => advanceRotation(deps));
      clock.advance(60_000);
    }
    assert.equal(await advanceRotation(deps), "none", `killed at ${fatal}`);
    const after = await followed(control, held.bundle);
    assert.deepEqual(deps.identities.state.current, [to]);
    assert.deepEqual(
      (await vault.certificates("issuing")).map((der) => readNodeCertificate(der).sha256).includes(to),
      true,
    );
    assert.equal(await accepts(control, after, held), "ok");
  }
});

Deno.test("nodes enroll and renew while two start a rotation at once: one rotation, nobody is refused", async () => {
  const vault = new MemoryVault();
  await using control = await openControl({ vault });
  const other = {
    ...control.deps,
    identities: await NodeAuthorities.open({ ...control.deps, vault, trustDomain: "tunnel.example" }),
  };
  const first = await enrolledNode(control, "edge", "e0");
  const started = await Promise.allSettled([
    startRotation(control.deps, "a", "issuing"),
    startRotation(other, "b", "issuing"),
    ...Array.from({ length: 8 }, (_, n) => enrolledNode(control, "edge", `e${n + 1}`)),
    renewal(control, first).then(({ status }) => assert.equal(status, 200)),
  ]);
  const failed = started.filter((one) => one.status === "rejected");
  assert.deepEqual(failed.map(({ reason }) => codeOf(reason)), ["ca_rotation_running"]);
  assert.equal((await control.store.nodeIdentities({ limit: 20 })).length, 9);
  assert.equal((await control.store.loadAuthorities())?.revision, 2);
});

/** Runs something before it answers the next question of its kind. */
class InterruptedVault extends MemoryVault {
  onKey: (() => Promise<void>) | undefined;
  onMake: (() => Promise<void>) | undefined;

  override async privateKey(...of: Parameters<MemoryVault["privateKey"]>) {
    const { onKey } = this;
    this.onKey = undefined;
    await onKey?.();
    return await super.privateKey(...of);
  }

  override async make(...of: Parameters<MemoryVault["make"]>) {
    const { onMake } = this;
    this.onMake = undefined;
    await onMake?.();
    return await super.make(...of);
  }
}

Deno.test("a rotation that is thought of while another control starts one takes nothing of it back: ca_rotation_running", async () => {
  const vault = new InterruptedVault();
  await using control = await openControl({ vault });
  const own = await NodeAuthorities.open({
    ...control.deps,
    vault: vault.copy("issuing"),
    trustDomain: "tunnel.example",
  });
  const other = { ...control.deps, identities: own };
  let begun = "";
  vault.onMake = async () => {
    begun = (await startRotation(other, "b", "issuing")).id;
    // A request of this control reads it meanwhile.
    await control.deps.identities.refresh(0);
  };
  await refused("ca_rotation_running", startRotation(control.deps, "a", "issuing"));
  await own.refresh(0);
  for (const { state, bundle } of [own, control.deps.identities]) {
    assert.equal(state.rotation?.id, begun);
    assert.ok(bundle.issuers.some(({ certificate }) => certificate.sha256 === state.rotation?.to));
  }
});

Deno.test("a control issues also in the moment in which it reads its key again", async () => {
  const vault = new InterruptedVault();
  await using control = await openControl({ vault });
  const own = await NodeAuthorities.open({
    ...control.deps,
    vault: vault.copy("issuing"),
    trustDomain: "tunnel.example",
  });
  assert.notEqual(own.issuer?.sha256, control.deps.identities.issuer?.sha256);
  let during: HeldIdentity | undefined;
  vault.onKey = async () => void (during = await enrolledNode(control));
  await control.deps.identities.refresh(0);
  assert.equal(issuerOf(during!), control.deps.identities.issuer?.sha256);
});

Deno.test("GET and POST /api/admin/ca show and rotate, for viewers and operators; the root's key has to be there", async () => {
  const vault = new MemoryVault();
  await using control = await openControl({ vault });
  const operator = await control.tokenOf("ops", "operator");
  assert.equal((await control.get("/api/admin/ca")).status, 401);
  assert.equal((await control.post("/api/admin/ca/rotate", {})).status, 401);
  const shown = (await control.get("/api/admin/ca", operator)).json;
  assert.deepEqual([shown.trust_domain, shown.bundle_version, shown.root_key_here], [
    "tunnel.example",
    1,
    true,
  ]);
  assert.deepEqual(
    shown.issuing.map(({ issues, here }: { issues: boolean; here: boolean }) => [issues, here]),
    [[true, true]],
  );
  const started = (await control.post("/api/admin/ca/rotate", { what: "issuing" }, operator)).json;
  assert.deepEqual([started.rotation.stage, started.rotation.nodes_left, started.issuing.length], [
    "published",
    0,
    2,
  ]);
  control.clock.advance(control.deps.config.identity.publishMs);
  const next = (await control.post("/api/admin/ca/rotate", {}, operator)).json;
  assert.equal(next.rotation.stage, "activated");
  for (let minute = 0; minute < 2; minute++) {
    control.clock.advance(60_000);
    await control.post("/api/admin/ca/rotate", {}, operator);
  }
  assert.equal((await control.get("/api/admin/ca", operator)).json.rotation, undefined);

  await vault.remove("root", shown.roots[0].sha256);
  const offline = await control.post("/api/admin/ca/rotate", {}, operator);
  assert.deepEqual([offline.status, offline.json.code], [409, "ca_root_offline"]);
});
