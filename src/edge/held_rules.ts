/** One revision of a service's rules, ready to be asked. Buckets and what was verified live as long as the revision. */
import { AddressBlocks } from "../bytes/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { Header } from "../http1/mod.ts";
import type { Clock, Random } from "../ports/mod.ts";
import type { RateRule, ServiceRules } from "../rules/mod.ts";
import { isAdmitted } from "./admission.ts";
import { AddressBuckets, type BucketRate, TokenBucket } from "./token_bucket.ts";

/** Most addresses that one service keeps a bucket for: about 120 bytes each. */
export const maxAddressBuckets = 8_192;

/** Why a viewer is not served, and what the answer says besides. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly headers: readonly Header[];
}

export interface RuleDeps {
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
}

export class HeldRules {
  readonly #clock: Pick<Clock, "now">;
  readonly #allow: AddressBlocks;
  readonly #deny: AddressBlocks;
  readonly #rate: TokenBucket | undefined;
  readonly #perAddress: AddressBuckets | undefined;

  /** Silence after which a flow of a udp service ends; undefined: as usual. */
  readonly udpIdleMs: number | undefined;

  constructor(rules: ServiceRules, { clock, random }: RuleDeps) {
    this.udpIdleMs = rules.udp_idle_seconds === undefined ? undefined : rules.udp_idle_seconds * 1_000;
    this.#clock = clock;
    this.#allow = new AddressBlocks(rules.allow ?? []);
    this.#deny = new AddressBlocks(rules.deny ?? []);
    if (rules.rate !== undefined) this.#rate = new TokenBucket(bucketRateOf(rules.rate));
    if (rules.rate_per_address !== undefined) {
      const rate = bucketRateOf(rules.rate_per_address);
      this.#perAddress = new AddressBuckets(rate, maxAddressBuckets, seedOf(random));
    }
  }

  /** A new connection to a service that is not HTTP. */
  admitConnection(ip: string): Refusal | undefined {
    return this.#admit(ip, "connection_rate_limited");
  }

  /** A request to an HTTP service. */
  admitRequest(ip: string): Refusal | undefined {
    return this.#admit(ip, "request_rate_limited");
  }

  #admit(ip: string, limited: ErrorCode): Refusal | undefined {
    if (!isAdmitted(ip, this.#allow, this.#deny)) return { code: "address_denied", headers: [] };
    if (this.#perAddress === undefined && this.#rate === undefined) return undefined;
    const now = this.#clock.now();
    // The address's own limit first: who is over it takes nothing from all others.
    const waitMs = this.#perAddress?.take(ip, now) || this.#rate?.take(now) || 0;
    return waitMs === 0 ? undefined : { code: limited, headers: [retryAfter(waitMs)] };
  }
}

/** `Retry-After` in whole seconds (RFC 9110 10.2.3). */
export function retryAfter(waitMs: number): Header {
  return ["Retry-After", String(Math.max(1, Math.ceil(waitMs / 1_000)))];
}

export function bucketRateOf({ per_second, burst }: RateRule): BucketRate {
  return { intervalMs: 1_000 / per_second, burst };
}

/** 32 bits that nobody outside knows. */
export function seedOf(random: Random): number {
  const [a, b, c, d] = random(4);
  return (a << 24) | (b << 16) | (c << 8) | d;
}
