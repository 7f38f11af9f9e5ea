/** Several addresses of one name: tried staggered, the first that answers wins (RFC 8305). */
import { ipBytes } from "../bytes/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** Time that an attempt has for itself before the next one joins it (RFC 8305 5: recommended 250 ms). */
const ATTEMPT_DELAY_MS = 250;
/** Addresses of one name that are tried. A name with more would only draw out its failure. */
export const MAX_ADDRESSES = 16;

/**
 * The order of attempts (RFC 8305 4): the resolver's first address, then the families by turns, so that one family that
 * leads nowhere costs one delay. Within a family the resolver's order stays; addresses beyond {@link MAX_ADDRESSES} are
 * left out.
 */
export function attemptOrder(addresses: readonly string[]): string[] {
  const isFirstFamily = (address: string) => address.includes(":") === addresses[0].includes(":");
  const first = addresses.filter(isFirstFamily);
  const second = addresses.filter((address) => !isFirstFamily(address));
  const ordered: string[] = [];
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    if (at < first.length) ordered.push(first[at]);
    if (at < second.length) ordered.push(second[at]);
  }
  return ordered.slice(0, MAX_ADDRESSES);
}

export interface Race<T> {
  readonly clock: Clock;
  /** Ends every attempt. */
  readonly signal: AbortSignal;
  /** Makes one attempt; leaves nothing behind when its signal aborts. */
  readonly attempt: (address: string, signal: AbortSignal) => Promise<T>;
  /** Ends a connection that came too late to win. */
  readonly discard: (late: T) => void;
}

/**
 * Runs the attempts in order, each {@link ATTEMPT_DELAY_MS} after the one before, or at once when that one has failed.
 * Resolves with the first connection; the others are aborted. Rejects with the first failure when all have failed.
 */
export function raceAddresses<T>(addresses: readonly string[], race: Race<T>): Promise<T> {
  const { clock, signal, attempt, discard } = race;
  if (addresses.length === 1) return attempt(addresses[0], signal);
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    let next = 0;
    let running = 0;
    let over = false;
    let failure: unknown;
    let cancelDelay = () => {};
    const end = () => {
      over = true;
      cancelDelay();
      signal.removeEventListener("abort", giveUp);
      stop.abort();
    };
    const giveUp = () => {
      end();
      reject(signal.reason);
    };
    const startNext = () => {
      cancelDelay();
      const address = addresses[next++];
      running++;
      attempt(address, stop.signal).then((connection) => {
        if (over) return discard(connection);
        end();
        resolve(connection);
      }, (error) => {
        running--;
        if (over) return;
        failure ??= error;
        if (next < addresses.length) startNext();
        else if (running === 0) {
          end();
          reject(failure);
        }
      });
      if (next < addresses.length) {
        cancelDelay = clock.schedule(clock.now() + ATTEMPT_DELAY_MS, startNext);
      }
    };
    if (signal.aborted) return giveUp();
    signal.addEventListener("abort", giveUp);
    startNext();
  });
}

/** Whether the host is an address and needs no resolver. */
export function isAddress(host: string): boolean {
  return ipBytes(host) !== undefined;
}
