import assert from "node:assert/strict";
import { inProcess as clientOf } from "./in_process_control.ts";
import {
  EnrolledIdentity,
  type IdentityControl,
  identityFileIn,
  plainFiles,
} from "../../../agent/identity/mod.ts";
import { codeOf, PosternError } from "../../../src/errors/mod.ts";
import { checkPeerCertificate } from "../../../src/pki/mod.ts";
import { nodeToken } from "../../control/nodes.ts";
import { type Control, openControl } from "../../control/support.ts";
import { MadeCluster } from "../../support/made_cluster.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { settle } from "../../support/virtual_clock.ts";

async function world(gate: () => void = () => {}) {
  const control = await openControl();
  const folder = await TempDir.make("identity");
  const logged: string[] = [];
  const options = {
    path: identityFileIn(folder.path),
    files: plainFiles,
    controls: [clientOf(control, gate)],
    clock: control.clock,
    random: control.deps.random,
    log: (_level: string, event: string, fields?: object) =>
      void logged.push(`${event} ${JSON.stringify(fields)}`),
  };
  return {
    control,
    folder,
    options,
    client: options.controls[0],
    logged,
    async [Symbol.asyncDispose]() {
      await control[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const refused = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));

/** Moves time on in steps; the work of each is let finish. */
async function pass(control: Control, ms: number, stepMs = 5_000): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    control.clock.advance(Math.min(stepMs, left));
    await settle();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !condition(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(condition());
}

Deno.test("EnrolledIdentity.enroll() makes its key here, and keeps the identity for this user only", async () => {
  await using at = await world();
  const token = await nodeToken(at.control, "connector", "c1");
  const identity = await EnrolledIdentity.enroll(at.options, token);
  assert.deepEqual(identity.id, { trustDomain: "tunnel.example", role: "connector", id: "c1" });
  assert.equal((await Deno.stat(at.options.path)).mode! & 0o777, 0o600);
  const text = await Deno.readTextFile(at.options.path);
  assert.ok(!text.includes(token.split(".")[2]));
  await refused("identity_exists", EnrolledIdentity.enroll(at.options, token));

  const again = await EnrolledIdentity.load(at.options);
  assert.deepEqual(again?.id, identity.id);
  assert.equal(again?.credentials.privateKey, identity.credentials.privateKey);
  await again?.renew();
  assert.notEqual(
    again?.credentials.privateKey,
    identity.credentials.privateKey,
    "each renewal has a key of its own",
  );
  assert.equal(
    (await EnrolledIdentity.load(at.options))?.credentials.privateKey,
    again?.credentials.privateKey,
  );
});

Deno.test("EnrolledIdentity.enroll() believes the cluster that the token pins only", async () => {
  await using at = await world();
  const token = await nodeToken(at.control, "connector", "c1");
  const other = await MadeCluster.make();
  const pin = Uint8Array.fromHex(other.bootstrap.certificate.sha256).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
  await refused("trust_bundle_unproven", EnrolledIdentity.enroll(at.options, token.replace(/[^.]+$/, pin)));
  await refused(
    "enrollment_token_malformed",
    EnrolledIdentity.enroll(at.options, token.replace(/\.[^.]+$/, "")),
  );
  assert.equal(await EnrolledIdentity.load(at.options), undefined);
  const identity = await EnrolledIdentity.enroll(at.options, token);
  assert.equal(identity.id.id, "c1", "its key was kept, and the token is its own");
});

Deno.test("EnrolledIdentity refuses an answer for another key: identity_answer_refused", async () => {
  await using at = await world();
  const mine = await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  const { renewIdentity } = at.client;
  let stolen: Awaited<ReturnType<IdentityControl["renewIdentity"]>> | undefined;
  at.client.renewIdentity = async (request, signal) => stolen ??= await renewIdentity(request, signal);
  await mine.renew();
  await refused("identity_answer_refused", mine.renew());
});

Deno.test("EnrolledIdentity.start() renews at 30 % of what is left, for as long as it runs", async () => {
  await using at = await world();
  const identity = await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  let changes = 0;
  identity.onCredentials(() => changes++);
  identity.start();
  const { notAfterMs, notBeforeMs } = identity.certificate;
  const life = notAfterMs - notBeforeMs;
  await pass(at.control, notAfterMs - at.control.clock.wall() - 0.36 * life);
  assert.equal(at.client.renewals, 0);
  await pass(at.control, 0.07 * life);
  await until(() => changes === 1);
  assert.equal(at.client.renewals, 1);
  for (let n = 2; n <= 5; n++) {
    await pass(at.control, 0.6 * life);
    const serial = identity.certificate.serial;
    await pass(at.control, 0.12 * life);
    await until(() => identity.certificate.serial !== serial || at.client.renewals >= n);
    assert.ok(identity.certificate.notAfterMs > at.control.clock.wall(), "never over");
  }
  identity.stop();
  assert.equal(at.control.clock.pending, 0);
});

Deno.test("EnrolledIdentity goes on trying while control is away, with the next control first", async () => {
  let isAway = false;
  await using at = await world(() => {
    if (isAway) throw new PosternError("control_unreachable");
  });
  const identity = await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "tunneler", "t1"));
  isAway = true;
  await refused("control_unreachable", identity.renew());
  identity.start();
  await pass(at.control, 1_900_000, 20_000);
  assert.ok(at.logged.some((line) => line.startsWith("identity not renewed yet")));
  assert.equal(identity.failure, undefined);
  isAway = false;
  const before = identity.certificate.serial;
  await pass(at.control, 120_000);
  await until(() => identity.certificate.serial !== before);
  identity.stop();

  isAway = true;
  const two = await EnrolledIdentity.load({ ...at.options, controls: [at.client, clientOf(at.control)] });
  await two!.renew();
});

Deno.test("EnrolledIdentity gives up when an operator has to act, and says so: identity_expired, identity_superseded", async () => {
  await using at = await world();
  const token = await nodeToken(at.control, "connector", "c1");
  const identity = await EnrolledIdentity.enroll(at.options, token);
  at.control.clock.advance(86_400_000 + 400_000);
  identity.start();
  await pass(at.control, 5_000);
  await until(() => identity.failure !== undefined);
  assert.equal(identity.failure, "identity_expired");
  assert.ok(at.logged.some((line) => line.includes("identity_expired") && line.includes("enroll-token")));
  identity.stop();

  const second = await EnrolledIdentity.enroll(
    at.options,
    await nodeToken(at.control, "connector", "c1"),
    true,
  );
  const copied = (await EnrolledIdentity.load(at.options))!;
  await copied.renew();
  await copied.renew();
  await refused("identity_superseded", second.renew());
});

Deno.test("EnrolledIdentity.refreshTrust() brings what was revoked, and those who listen hear of it", async () => {
  await using at = await world();
  const mine = await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  const path = identityFileIn(at.folder.file("peer"));
  const peer = await EnrolledIdentity.enroll(
    { ...at.options, path },
    await nodeToken(at.control, "tunneler", "t1"),
  );
  const judge = ({ trust: { bundle, revocations } }: EnrolledIdentity = mine) =>
    checkPeerCertificate(peer.credentials.chain, bundle, revocations, {
      usage: "client",
      expectedRole: "tunneler",
      nowMs: at.control.clock.wall(),
    }).id;
  assert.equal(judge(), "t1");
  let changes = 0;
  const end = mine.onTrust(() => changes++);
  const operator = await at.control.tokenOf("ops", "operator");
  const value = "spiffe://tunnel.example/tunneler/t1";
  await at.control.post("/v1/revocations", { kind: "id", value, reason: "stolen" }, operator);
  await mine.refreshTrust();
  assert.equal(changes, 1);
  assert.throws(() => judge(), { code: "peer_certificate_revoked" });
  end();
  await mine.refreshTrust();
  assert.equal(changes, 1);
  const restarted = await EnrolledIdentity.load(at.options);
  assert.throws(() => judge(restarted), { code: "peer_certificate_revoked" });
});

Deno.test("EnrolledIdentity.load() refuses a damaged file: identity_file_malformed", async () => {
  await using at = await world();
  await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  const text = await Deno.readTextFile(at.options.path);
  for (
    const damaged of [
      "{}",
      text.replace(/"payload": ".{9}/, '"payload": "'),
      text.replace(/"key": ".{9}/, '"key": "'),
    ]
  ) {
    await Deno.writeTextFile(at.options.path, damaged);
    await refused("identity_file_malformed", EnrolledIdentity.load(at.options));
  }
});
