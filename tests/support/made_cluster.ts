/** A cluster's authorities with their keys, so that tests can also misuse them. */
import {
  type Authority,
  issueAuthority,
  issueNode,
  type NodeRole,
  type RevocationList,
  type RevokedIdentity,
  selfSigned,
  type TrustBundle,
} from "../../src/pki/mod.ts";
import { P256, spkiOfKey } from "../../src/x509/mod.ts";

export const clusterNowMs = Date.UTC(2026, 5, 1);
const dayMs = 86_400_000;
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

export async function makeKeys(): Promise<CryptoKeyPair & { readonly spki: Uint8Array<ArrayBuffer> }> {
  const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  return { ...pair, spki: await spkiOfKey(pair.publicKey) };
}

export class MadeCluster {
  readonly nowMs: number;
  readonly trustDomain: string;
  readonly bootstrap: Authority;
  readonly root: Authority;
  readonly issuing: Authority;

  private constructor(
    nowMs: number,
    trustDomain: string,
    authorities: { bootstrap: Authority; root: Authority; issuing: Authority },
  ) {
    this.nowMs = nowMs;
    this.trustDomain = trustDomain;
    this.bootstrap = authorities.bootstrap;
    this.root = authorities.root;
    this.issuing = authorities.issuing;
  }

  static async make(trustDomain = "tunnel.test", nowMs = clusterNowMs): Promise<MadeCluster> {
    const validity = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + 3_650 * dayMs };
    const own = async (kind: "root" | "bootstrap"): Promise<Authority> => {
      const keys = await makeKeys();
      const certificate = await selfSigned(
        kind,
        trustDomain,
        { privateKey: keys.privateKey, publicKey: keys.spki },
        validity,
        random,
      );
      return { certificate, privateKey: keys.privateKey };
    };
    const root = await own("root");
    const issuing = await issuingOf(root, trustDomain, nowMs);
    return new MadeCluster(nowMs, trustDomain, { bootstrap: await own("bootstrap"), root, issuing });
  }

  /** Another issuing CA under the same root. */
  another(): Promise<Authority> {
    return issuingOf(this.root, this.trustDomain, this.nowMs);
  }

  /** DER, as the node shows it, and the node's keys. */
  async node(
    role: NodeRole,
    id: string,
    options: { issuing?: Authority; trustDomain?: string; lifeMs?: number } = {},
  ) {
    const keys = await makeKeys();
    const { issuing = this.issuing, trustDomain = this.trustDomain, lifeMs = dayMs } = options;
    const validity = { notBeforeMs: this.nowMs - 60_000, notAfterMs: this.nowMs + lifeMs };
    const leaf = await issueNode(issuing, { trustDomain, role, id }, keys.spki, validity, random);
    return { keys, leaf, chain: [leaf.bytes, issuing.certificate.bytes] };
  }

  bundle(changes: Partial<TrustBundle> = {}): TrustBundle {
    return {
      trustDomain: this.trustDomain,
      version: 1,
      issuedAtMs: this.nowMs,
      roots: [{ certificate: this.root.certificate, acceptedFromMs: 0 }],
      issuers: [{ certificate: this.issuing.certificate, acceptedFromMs: 0 }],
      ...changes,
    };
  }

  revocations(...entries: Omit<RevokedIdentity, "atMs">[]): RevocationList {
    return {
      trustDomain: this.trustDomain,
      version: 1 + entries.length,
      bundleVersion: 1,
      issuedAtMs: this.nowMs,
      nextUpdateMs: this.nowMs + 300_000,
      entries: entries.map((entry) => ({ ...entry, atMs: this.nowMs })),
    };
  }
}

async function issuingOf(root: Authority, trustDomain: string, nowMs: number): Promise<Authority> {
  const keys = await makeKeys();
  const validity = { notBeforeMs: nowMs - dayMs, notAfterMs: nowMs + 365 * dayMs };
  return {
    certificate: await issueAuthority(root, trustDomain, keys.spki, validity, random),
    privateKey: keys.privateKey,
  };
}

/** PKCS #8, so that openssl can sign with it. */
export async function pemOfKey(key: CryptoKey): Promise<string> {
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", key));
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}
