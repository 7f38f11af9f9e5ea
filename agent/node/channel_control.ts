/** Control as it is reached by the channel that stands: renewal needs no other connection. All else is asked of the control API. */
import { fromBase64Url } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { NodeLink } from "../../src/nodes/mod.ts";
import type { SignedDocument } from "../../src/pki/mod.ts";
import type { IdentityAnswer, IdentityRenewRequest } from "../identity_messages.ts";
import type { IdentityControl } from "../identity/mod.ts";

/** The handshake of the channel is the proof: nobody asks for one about a nonce. */
const noNonce = "channel";

export class ChannelControl implements IdentityControl {
  readonly #link: () => NodeLink | undefined;
  readonly #revocations: () => SignedDocument;

  /** @param revocations as this node holds them: newer trust comes over the channel by itself */
  constructor(link: () => NodeLink | undefined, revocations: () => SignedDocument) {
    this.#link = link;
    this.#revocations = revocations;
  }

  renewalNonce(): Promise<string> {
    return this.#link() === undefined ? this.#absent() : Promise.resolve(noNonce);
  }

  /** Throws `node_channel_absent`, `node_renewal_refused`, `node_renewal_timeout`: the control API is asked then. */
  async renewIdentity({ csr }: IdentityRenewRequest): Promise<IdentityAnswer> {
    const link = this.#link();
    if (link === undefined) return await this.#absent();
    const chain = await link.renew(fromBase64Url(csr));
    return {
      certificate_chain: chain.map((one) => Uint8Array.from(one)),
      trust_bundles: [],
      revocations: this.#revocations(),
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
