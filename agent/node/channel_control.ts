/** Control as it is reached by the channel that stands: renewal needs no other connection. All else is asked of the control API. */
import { fromBase64Url } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { NodeLink, TrustDocuments } from "../../src/nodes/mod.ts";
import type { IdentityAnswer, IdentityRenewRequest } from "../identity_messages.ts";
import type { IdentityControl } from "../identity/mod.ts";

/** The handshake of the channel is the proof: nobody asks for one about a nonce. */
const noNonce = "channel";

export class ChannelControl implements IdentityControl {
  readonly #link: () => NodeLink | undefined;
  #trust: TrustDocuments = {};

  constructor(link: () => NodeLink | undefined) {
    this.#link = link;
  }

  /** What came over the channel last. */
  set trust(documents: TrustDocuments) {
    this.#trust = { ...this.#trust, ...documents };
  }

  renewalNonce(): Promise<string> {
    return this.#link() === undefined ? this.#absent() : Promise.resolve(noNonce);
  }

  /** Throws `node_channel_absent`, `node_renewal_refused`, `node_renewal_timeout`: the control API is asked then. */
  async renewIdentity({ csr }: IdentityRenewRequest): Promise<IdentityAnswer> {
    const link = this.#link();
    const { bundle, revocations } = this.#trust;
    if (link === undefined || revocations === undefined) return await this.#absent();
    const chain = await link.renew(fromBase64Url(csr));
    return {
      certificate_chain: chain.map((one) => Uint8Array.from(one)),
      trust_bundles: bundle === undefined ? [] : [bundle],
      revocations,
    };
  }

  enrollIdentity(): Promise<never> {
    return this.#absent();
  }

  trustBundles(): Promise<never> {
    return this.#absent();
  }

  nodeRevocations(): Promise<never> {
    return this.#absent();
  }

  #absent(): Promise<never> {
    return Promise.reject(
      new PosternError(
        "node_channel_absent",
        "Cannot ask control over the channel: there is none, or not for this",
      ),
    );
  }
}
