/** One revision of a service's rules, ready to be asked. Buckets and what was verified live as long as the revision. */
import { AddressBlocks } from "../bytes/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { HeaderList } from "../http1/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { RateRule, ServiceRules } from "../rules/mod.ts";
import { isAdmitted } from "./admission.ts";
import { BasicAuth, type BasicAuthDeps } from "./basic_auth.ts";
import { FieldChanges } from "./field_changes.ts";
import { type Refusal, retryAfter } from "./refusal.ts";
import { seedOf } from "./seed.ts";
import { AddressBuckets, type BucketRate, TokenBucket } from "./token_bucket.ts";

/** Most addresses that one service keeps a bucket for: about 120 bytes each. */
const MAX_ADDRESS_BUCKETS = 8_192;

/** Between two refusals of one service that are logged for everybody to see. */
const TELL_EVERY_MS = 1_000;

export interface RuleDeps extends BasicAuthDeps {
  /** The part of all viewers that comes by here: so much of each rate is given out. 1 unless there are several workers. */
  readonly share?: number;
}

export class HeldRules {
  readonly #clock: Pick<Clock, "now">;
  #toldAt = -TELL_EVERY_MS;
  readonly #allow: AddressBlocks;
  readonly #deny: AddressBlocks;
  readonly #rate: TokenBucket | undefined;
  readonly #perAddress: AddressBuckets | undefined;
  readonly #auth: BasicAuth | undefined;
  readonly #request: FieldChanges | undefined;
  readonly #response: FieldChanges | undefined;

  /** Silence after which a flow of a udp service ends; undefined: as usual. */
  readonly udpIdleMs: number | undefined;

  constructor(rules: ServiceRules, deps: RuleDeps) {
    const { clock, random, share = 1 } = deps;
    this.udpIdleMs = rules.udp_idle_seconds === undefined ? undefined : rules.udp_idle_seconds * 1_000;
    this.#clock = clock;
    this.#allow = new AddressBlocks(rules.allow ?? []);
    this.#deny = new AddressBlocks(rules.deny ?? []);
    if (rules.rate !== undefined) this.#rate = new TokenBucket(bucketRateOf(rules.rate, share));
    if (rules.rate_per_address !== undefined) {
      const rate = bucketRateOf(rules.rate_per_address, share);
      this.#perAddress = new AddressBuckets(rate, MAX_ADDRESS_BUCKETS, seedOf(random));
    }
    if (rules.basic_auth !== undefined) this.#auth = new BasicAuth(rules.basic_auth, deps);
    if (rules.request_headers !== undefined) this.#request = new FieldChanges(rules.request_headers);
    if (rules.response_headers !== undefined) this.#response = new FieldChanges(rules.response_headers);
  }

  /** A new connection to a service that is not HTTP. */
  admitConnection(ip: string): Refusal | undefined {
    return this.#admit(ip, "connection_rate_limited");
  }

  /**
   * A request to an HTTP service. A promise only where a password has to be hashed.
   * @param connection one viewer's, and nobody else's: undefined where several may share it
   */
  admitRequest(
    ip: string,
    headers: HeaderList,
    connection: object | undefined,
  ): Promise<Refusal | undefined> | Refusal | undefined {
    return this.#admit(ip, "request_rate_limited") ?? this.#auth?.admit(ip, headers, connection);
  }

  /** Whether a refusal is worth a line in the log: one a second, so that a flood of requests does not become one of lines. */
  mayTell(): boolean {
    const now = this.#clock.now();
    if (now - this.#toldAt < TELL_EVERY_MS) return false;
    this.#toldAt = now;
    return true;
  }

  /** Changes a request's fields on their way to the service. Credentials that were for the edge stay here. */
  changeRequest(headers: HeaderList): void {
    if (this.#auth !== undefined) headers.delete("authorization");
    this.#request?.apply(headers);
  }

  /** Changes the fields of a response of the service. */
  changeResponse(headers: HeaderList): void {
    this.#response?.apply(headers);
  }

  /** Trailers of a request: a service may take them for fields of its head. */
  changeRequestTrailers(trailers: HeaderList): void {
    this.#request?.strip(trailers);
  }

  /** Trailers and interim heads of a response. */
  changeResponseTrailers(fields: HeaderList): void {
    this.#response?.strip(fields);
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

function bucketRateOf({ per_second, burst }: RateRule, share: number): BucketRate {
  return { intervalMs: 1_000 / (per_second * share), burst: Math.ceil(burst * share) };
}
