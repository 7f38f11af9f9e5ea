/** Who this node is, and whom it believes: both may change at any time, for handshakes that begin later. */
import tls from "node:tls";
import type { Certificate } from "../../attestation/ek/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import {
  parseSpiffeId,
  pemOfChain,
  readNodeCertificate,
  type RevocationList,
  type SignedDocument,
  type SpiffeId,
  type TrustBundle,
} from "../../pki/mod.ts";
import type { ServerContexts } from "./accept.ts";

/** A certificate with its key. The key never leaves the node. */
export interface NodeCredentials {
  /** DER, the node's own certificate first. */
  readonly chain: readonly Uint8Array[];
  /** PKCS #8, PEM. */
  readonly privateKey: string;
}

export interface NodeTrust {
  readonly bundle: TrustBundle;
  readonly revocations: RevocationList;
  /** Both as they were signed, where they are kept or passed on. */
  readonly documents?: { readonly bundle: SignedDocument; readonly revocations: SignedDocument };
}

/** The holder of both. Connections that are established keep what they began with; who watches them is told of new trust. */
export class NodeIdentity implements ServerContexts {
  readonly id: SpiffeId;
  #credentials: NodeCredentials;
  #trust: NodeTrust;
  #certificate: Certificate;
  #context: tls.SecureContext | undefined;
  readonly #onTrust = new Set<() => void>();
  readonly #onCredentials = new Set<() => void>();

  /** Throws `node_credentials_unusable`, and the codes of certificates that cannot be read. */
  constructor(credentials: NodeCredentials, trust: NodeTrust) {
    const { id, certificate } = readCredentials(credentials);
    this.id = id;
    this.#credentials = credentials;
    this.#certificate = certificate;
    this.#trust = trust;
    this.contextFor();
  }

  get credentials(): NodeCredentials {
    return this.#credentials;
  }

  get trust(): NodeTrust {
    return this.#trust;
  }

  /** Its own, the first of the chain. */
  get certificate(): Certificate {
    return this.#certificate;
  }

  /** Last moment of the certificate, Unix milliseconds. */
  get endsAtMs(): number {
    return this.#certificate.notAfterMs;
  }

  /** For either end of a connection: TLS 1.3 only, and only authorities of the trust bundle. */
  contextFor(): tls.SecureContext {
    if (this.#context !== undefined) return this.#context;
    const { roots, issuers } = this.#trust.bundle;
    const nowKnown = [...roots, ...issuers].map(({ certificate }) => pemOfChain([certificate.bytes]));
    try {
      return this.#context = tls.createSecureContext({
        cert: pemOfChain(this.#credentials.chain),
        key: this.#credentials.privateKey,
        ca: nowKnown,
        minVersion: "TLSv1.3",
      });
    } catch (cause) {
      throw unusable("TLS does not take its certificate and key", cause);
    }
  }

  /** Takes a renewed certificate of the same node. Throws `node_credentials_unusable`: then everything is as before. */
  replaceCredentials(credentials: NodeCredentials): void {
    const { id, certificate } = readCredentials(credentials);
    const isSame = id.trustDomain === this.id.trustDomain && id.role === this.id.role && id.id === this.id.id;
    if (!isSame) throw unusable("the certificate is another node's");
    const before = { credentials: this.#credentials, context: this.#context };
    this.#credentials = credentials;
    this.#context = undefined;
    try {
      this.contextFor();
    } catch (error) {
      this.#credentials = before.credentials;
      this.#context = before.context;
      throw error;
    }
    this.#certificate = certificate;
    for (const changed of [...this.#onCredentials]) changed();
  }

  /** What it is given was verified before; all who watch connections judge them again at once. */
  replaceTrust(trust: NodeTrust): void {
    const isSameBundle = trust.bundle === this.#trust.bundle;
    this.#trust = trust;
    if (!isSameBundle) this.#context = undefined;
    for (const changed of [...this.#onTrust]) changed();
  }

  /** Returns what ends it. */
  onTrust(changed: () => void): () => void {
    this.#onTrust.add(changed);
    return () => this.#onTrust.delete(changed);
  }

  /** Returns what ends it. */
  onCredentials(changed: () => void): () => void {
    this.#onCredentials.add(changed);
    return () => this.#onCredentials.delete(changed);
  }
}

function readCredentials({ chain, privateKey }: NodeCredentials): { id: SpiffeId; certificate: Certificate } {
  if (chain.length === 0) throw unusable("there is no certificate");
  const certificate = readNodeCertificate(chain[0]);
  const [uri] = certificate.extensions.uris;
  if (uri === undefined) throw unusable("its certificate names no node");
  if (!privateKey.includes("PRIVATE KEY-----")) throw unusable("its key is not in PEM form");
  return { id: parseSpiffeId(uri), certificate };
}

/** The cause stays out of logs of the message: libraries may quote a key. */
function unusable(state: string, cause?: unknown): PosternError {
  return new PosternError("node_credentials_unusable", `Cannot use the identity of this node: ${state}`, {
    cause,
  });
}
