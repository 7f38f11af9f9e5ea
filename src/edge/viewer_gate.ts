/** Who may come in at all: the edge's own lists, the rate of new connections, and how many are open. */
import { type AddressBlocks, networkOf } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { isAdmitted } from "./admission.ts";
import type { TrustedProxies } from "./client_ip.ts";
import type { Admission, ConnectionLimits } from "./connection_limits.ts";
import type { AddressBuckets } from "./token_bucket.ts";

export interface ViewerGateOptions {
  readonly limits: ConnectionLimits;
  readonly proxies: TrustedProxies;
  readonly allow: AddressBlocks;
  readonly deny: AddressBlocks;
  /** New connections of one address; undefined: as many as come. */
  readonly newConnections: AddressBuckets | undefined;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class ViewerGate {
  readonly #options: ViewerGateOptions;

  constructor(options: ViewerGateOptions) {
    this.#options = options;
  }

  /** Counts one more connection, before a byte of it is read. @throws PosternError `viewer_limit` */
  admit(): Admission {
    const admission = this.#options.limits.admit();
    return {
      name: (address) => {
        this.#check(address);
        admission.name(address);
      },
      leave: admission.leave,
    };
  }

  /**
   * A trusted proxy is nobody's own address: lists and rate leave it alone, {@link admits} asks for whom it speaks.
   * @throws PosternError `address_denied`, `connection_rate_limited`
   */
  #check(address: string): void {
    const { proxies, newConnections, now } = this.#options;
    if (!proxies.trusts(address)) {
      if (!this.admits(address)) throw new PosternError("address_denied");
      if (newConnections !== undefined && newConnections.take(address, now()) > 0) {
        throw new PosternError("connection_rate_limited", undefined, {
          detail: { network: networkOf(address) },
        });
      }
    }
  }

  /** Whether the edge's lists let this address in. */
  admits(address: string): boolean {
    return isAdmitted(address, this.#options.allow, this.#options.deny);
  }
}
