/**
 * Keeps a certificate fresh: it is renewed when 30 % of its life are left, a little earlier by chance, so that a thousand nodes do
 * not come at once. The wall clock says when; it is looked at again and again, for it may jump and machines sleep.
 */
import { Backoff } from "../channel/mod.ts";
import type { NodeIdentity } from "../driver/tls/mod.ts";
import { errorOf, type PosternError } from "../errors/mod.ts";
import type { Clock, Random } from "../ports/mod.ts";

/** Part of a certificate's life that is left when it is renewed; and up to so much more, by chance. */
const renewAt = 0.3;
const renewJitter = 0.05;
/** Longest time without a look at the wall clock. */
const lookEveryMs = 15_000;
/**
 * Part of a life that passes at least from one renewal to the next: to a clock that is fast every new certificate is almost over.
 */
const restShare = 0.1;
const retry = Object.freeze({ initialMs: 1_000, maxMs: 60_000, maxElapsedMs: 0 });

export interface RenewalLoopOptions {
  readonly identity: Pick<NodeIdentity, "certificate">;
  readonly clock: Clock;
  readonly random: Random;
  /** Puts the next certificate into the identity. */
  readonly renew: () => Promise<void>;
  /** Of each attempt: why it failed, if it did. False ends the loop: nothing that trying again would change. */
  readonly onResult: (failure?: PosternError) => boolean;
}

/** Runs until what it returns is called. An attempt that is under way then is no longer heard. */
export function startRenewalLoop(
  { identity, clock, random, renew, onResult }: RenewalLoopOptions,
): () => void {
  const backoff = new Backoff(retry, random);
  let isOver = false;
  let cancel = () => {};
  /** On the monotonic clock. */
  let notBeforeMs = clock.now();
  let due = dueOf(identity.certificate, random);
  const wait = () => {
    if (isOver) return;
    const leftMs = Math.max(due.atMs - clock.wall(), notBeforeMs - clock.now());
    cancel = clock.schedule(clock.now() + Math.max(0, Math.min(leftMs, lookEveryMs)), look);
  };
  const look = () => {
    // Renewed by somebody else since: an operator, or a test.
    if (due.certificate !== identity.certificate) due = dueOf(identity.certificate, random);
    if (clock.wall() < due.atMs || clock.now() < notBeforeMs) return wait();
    void renew().then(() => undefined, (thrown) => errorOf(thrown)).then((failure) => {
      if (isOver) return;
      if (failure === undefined) {
        backoff.reset();
        due = dueOf(identity.certificate, random);
        notBeforeMs = clock.now() + restShare * due.lifeMs;
      } else {
        notBeforeMs = clock.now() + (backoff.next(clock.now()) ?? retry.maxMs);
      }
      if (onResult(failure)) wait();
    });
  };
  wait();
  return () => {
    isOver = true;
    cancel();
  };
}

function dueOf(certificate: NodeIdentity["certificate"], random: Random) {
  const lifeMs = certificate.notAfterMs - certificate.notBeforeMs;
  const [high, low] = random(2);
  const chance = (high * 256 + low) / 65_536;
  return { certificate, lifeMs, atMs: certificate.notAfterMs - (renewAt + renewJitter * chance) * lifeMs };
}
