import assert from "node:assert/strict";
import { PosternError } from "../../src/errors/mod.ts";
import { startRenewalLoop } from "../../src/nodes/mod.ts";
import { issueNode, makeCsr, readCsr } from "../../src/pki/mod.ts";
import { makeKeys, pemOfKey } from "../support/made_cluster.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { NodePair, random } from "./node_pair.ts";

const minuteMs = 60_000;

/** A certificate of five minutes that an issuer with a clock of its own renews. */
class Renewed {
  readonly clock = new VirtualClock();
  /** What the issuer's clock is ahead of this node's. */
  issuerAheadMs = 0;
  refusal: PosternError | undefined;
  attempts: number[] = [];
  codes: string[] = [];
  certificate = this.#next();
  readonly stop = startRenewalLoop({
    identity: this as never,
    clock: this.clock,
    random,
    renew: () => {
      this.attempts.push(this.clock.now());
      if (this.refusal !== undefined) return Promise.reject(this.refusal);
      this.certificate = this.#next();
      return Promise.resolve();
    },
    onResult: (failure) => {
      this.codes.push(failure?.code ?? "ok");
      return failure?.code !== "identity_expired";
    },
  });

  /** In steps, so that what is done in between is heard. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      this.clock.advance(Math.min(1_000, left));
      await settle();
    }
  }

  get leftMs(): number {
    return this.certificate.notAfterMs - this.clock.wall();
  }

  #next() {
    const nowMs = this.clock.wall() + this.issuerAheadMs;
    return { notBeforeMs: nowMs - 30_000, notAfterMs: nowMs + 5 * minuteMs };
  }
}

Deno.test("startRenewalLoop() renews at 30 to 35 % of a life, once, and leaves nothing behind", async () => {
  const node = new Renewed();
  await node.pass(3 * minuteMs);
  assert.deepEqual(node.attempts, []);
  await node.pass(30_000);
  assert.equal(node.attempts.length, 1);
  const [atMs] = node.attempts;
  assert.ok(atMs >= 300_000 - 0.35 * 330_000 && atMs <= 300_000 - 0.3 * 330_000 + 1_000, `${atMs}`);
  await node.pass(30 * minuteMs);
  assert.ok(node.leftMs > 0.29 * 330_000);
  assert.ok(node.attempts.length >= 8 && node.attempts.length <= 10, `${node.attempts.length}`);
  node.stop();
  assert.equal(node.clock.pending, 0);
});

Deno.test("startRenewalLoop() does not run wild on a clock that is fast: to it every certificate is almost over", async () => {
  const node = new Renewed();
  for (const aheadMs of [-4 * minuteMs, -20 * minuteMs]) {
    node.issuerAheadMs = aheadMs;
    node.attempts.length = 0;
    await node.pass(20 * minuteMs);
    assert.ok(node.attempts.length > 10, "it does what it can");
    const gaps = node.attempts.slice(1).map((at, n) => at - node.attempts[n]).slice(1);
    assert.ok(Math.min(...gaps) >= 33_000, "a tenth of a life passes in between");
  }
  node.stop();
});

Deno.test("startRenewalLoop() sees within 15 s that the wall clock jumped, as it does when a machine slept", async () => {
  const node = new Renewed();
  await node.pass(10_000);
  node.clock.jumpWall(20 * minuteMs);
  await node.pass(15_000);
  assert.deepEqual(node.codes, ["ok"]);
  assert.ok(node.leftMs > 4 * minuteMs);
  // Put right again: the certificate is not renewed for longer than it would be otherwise.
  node.clock.jumpWall(-20 * minuteMs);
  await node.pass(5 * minuteMs);
  assert.ok(node.codes.length <= 2);
  node.stop();
});

Deno.test("startRenewalLoop() goes on while control is away, also when the certificate is over, and is quick once it is back", async () => {
  const node = new Renewed();
  node.refusal = new PosternError("control_unreachable");
  await node.pass(20 * minuteMs);
  assert.ok(node.leftMs < 0);
  const gaps = node.attempts.slice(1).map((at, n) => at - node.attempts[n]);
  assert.ok(Math.max(...gaps) <= 61_000 && node.attempts.length < 90, `${node.attempts.length}`);
  node.refusal = undefined;
  await node.pass(61_000);
  assert.equal(node.codes.at(-1), "ok");
  assert.ok(node.leftMs > 3 * minuteMs);

  node.refusal = new PosternError("identity_expired");
  await node.pass(10 * minuteMs);
  assert.equal(node.codes.filter((code) => code === "identity_expired").length, 1, "an operator has to act");
  assert.equal(node.clock.pending, 0);
});

Deno.test("a certificate is renewed while its channel stands; one that is not renewed in time ends the channel, and both ends know why", async () => {
  const lifeMs = 5 * minuteMs;
  let isIssuing = false;
  const pair: NodePair = await NodePair.make({
    life: { lifeMs: 20 * minuteMs },
    host: {
      renew: async (_peer, csr) => {
        if (!isIssuing) throw new PosternError("ca_unavailable");
        const id = { trustDomain: "tunnel.test", role: "connector", id: "c1" } as const;
        const validity = { notBeforeMs: pair.clock.wall(), notAfterMs: pair.clock.wall() + lifeMs };
        const leaf = await issueNode(pair.cluster.issuing, id, readCsr(csr).publicKey, validity, random);
        return [leaf.bytes, pair.cluster.issuing.certificate.bytes];
      },
    },
  });
  const { clock, callerIdentity, cluster } = pair;
  const codes: string[] = [];
  let isRenewing = false;
  const stop = startRenewalLoop({
    identity: callerIdentity,
    clock,
    random,
    renew: async () => {
      isRenewing = true;
      const keys = await makeKeys();
      const chain = await pair.caller.renew(await makeCsr(keys, callerIdentity.id));
      callerIdentity.replaceCredentials({ chain, privateKey: await pemOfKey(keys.privateKey) });
    },
    onResult: (failure) => {
      isRenewing = false;
      codes.push(failure?.code ?? "ok");
      return true;
    },
  });
  const pass = async (ms: number, stepMs = 5_000) => {
    for (let left = ms; left > 0; left -= stepMs) {
      await pair.advance(stepMs, stepMs);
      // Keys are made and signatures are checked in time that is not the clock's.
      while (isRenewing) await pair.settle();
    }
  };
  const fresh = () => {
    const revocations = { ...cluster.revocations(), nextUpdateMs: clock.wall() + 600_000 };
    for (const one of [pair.hostIdentity, callerIdentity]) {
      one.replaceTrust({ bundle: cluster.bundle(), revocations });
    }
  };
  isIssuing = true;
  for (let minute = 0; minute < 15; minute++) {
    await pass(minuteMs);
    fresh();
  }
  assert.deepEqual(codes, ["ok"], "renewed while it stands");
  assert.equal(pair.hostCode, undefined);
  isIssuing = false;
  const endsAtMs = callerIdentity.endsAtMs;
  while (clock.wall() < endsAtMs + 29_000) {
    await pass(5_000);
    fresh();
    assert.equal(pair.hostCode, undefined, "clocks may differ by 30 s");
  }
  await pass(10_000, 500);
  assert.equal(pair.hostCode, "peer_certificate_expired");
  assert.equal(pair.callerCode, "peer_certificate_expired", "it is told why");
  assert.ok(
    codes.includes("node_renewal_refused") && !codes.slice(1).includes("ok"),
    "control issued nothing",
  );
  stop();
  assert.equal(clock.pending, 0);
});
