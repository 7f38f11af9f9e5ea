/** The authorities of nodes, as this control has them: it issues, signs bundles and revocation lists, or says that it cannot. */
import type { Certificate } from "../attestation/ek/mod.ts";
import { PosternError } from "../errors/mod.ts";
import {
  type Authority,
  issueAuthority,
  issueNode,
  readNodeCertificate,
  type RevocationList,
  selfSigned,
  type SignedDocument,
  signRevocations,
  signTrustBundle,
  type SpiffeId,
  type TrustBundle,
  verifyRevocations,
} from "../pki/mod.ts";
import type { Clock, Log, Random, Revised, Store } from "../ports/mod.ts";
import { type AuthorityState, readAuthorityState, writeAuthorityState } from "./authority_state.ts";
import type { AuthorityVault } from "./authority_vault.ts";

const dayMs = 86_400_000;
const rootLifeMs = 3_650 * dayMs;
const issuingLifeMs = 365 * dayMs;
/** Clocks of nodes may be behind: what is new counts from a little earlier on. */
const backdatedMs = 300_000;
/** Of a node's certificate, whose whole life may be five minutes. */
const nodeBackdatedMs = 30_000;
/** How long the state may be the one that was read last. */
const freshMs = 5_000;
/** A list is signed anew after this time, and counts for ten of them: a control that is away for a while stops nobody. */
const listEveryMs = 60_000;
const listLifeMs = 600_000;
/** Setting with the list that was signed last, for controls that cannot sign. */
const listSetting = "identity.revocations";
/** Writers that may get in between before the store is called broken. */
const maxAttempts = 8;

export interface NodeAuthoritiesDeps {
  readonly store: Store;
  readonly vault: AuthorityVault;
  readonly clock: Pick<Clock, "now" | "wall">;
  readonly random: Random;
  readonly log: Log;
  readonly trustDomain: string;
}

type Held = Revised<AuthorityState> & { readonly readAtMs: number };

interface SignedList {
  readonly list: RevocationList;
  readonly document: SignedDocument;
}

export class NodeAuthorities {
  readonly #deps: NodeAuthoritiesDeps;
  #held: Held;
  #issuing: Authority | undefined;
  #list: SignedList | undefined;

  private constructor(deps: NodeAuthoritiesDeps, held: Held) {
    this.#deps = deps;
    this.#held = held;
  }

  /**
   * Reads the authorities of the cluster, or makes them: at first start a bootstrap CA, a root and an issuing CA. A control that
   * finds a cluster and has the root's key makes an issuing CA of its own; without any key it serves what others signed.
   * @throws PosternError `ca_state_unusable`, `state_unwritable`, and the codes of private files
   */
  static async open(deps: NodeAuthoritiesDeps): Promise<NodeAuthorities> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const stored = await deps.store.loadAuthorities();
      if (stored === undefined) {
        await deps.store.saveAuthorities(await firstState(deps), 0);
        continue;
      }
      const value = readAuthorityState(stored.value);
      if (value.trustDomain !== deps.trustDomain) {
        throw new PosternError(
          "ca_state_unusable",
          `Cannot use the authorities: they are of trust domain ${value.trustDomain}, and trust_domain is ${deps.trustDomain}`,
        );
      }
      const authorities = new NodeAuthorities(deps, {
        revision: stored.revision,
        value,
        readAtMs: deps.clock.now(),
      });
      await authorities.#loadIssuing();
      if (authorities.#issuing !== undefined || await authorities.#joinByRoot()) return authorities;
      deps.log(
        "warn",
        "this control cannot issue certificates of nodes: no issuing CA's key is in its state directory",
      );
      return authorities;
    }
    throw busy();
  }

  get trustDomain(): string {
    return this.#deps.trustDomain;
  }

  /** SHA-256 of the bootstrap CA's certificate, hex: what enrollment tokens pin. */
  get bootstrapPin(): string {
    return this.#held.value.bootstrap.sha256;
  }

  /** As it was read last; {@link refresh} reads it again. */
  get state(): AuthorityState {
    return this.#held.value;
  }

  get bundle(): TrustBundle {
    return this.#held.value.bundle;
  }

  /** The issuing CA that this control issues with; undefined without one. */
  get issuer(): Certificate | undefined {
    return this.#issuing?.certificate;
  }

  /** Reads what other controls wrote, unless it was read a moment ago. */
  async refresh(maxAgeMs = freshMs): Promise<void> {
    const nowMs = this.#deps.clock.now();
    if (nowMs - this.#held.readAtMs < maxAgeMs) return;
    const stored = await this.#deps.store.loadAuthorities();
    if (stored === undefined || stored.revision === this.#held.revision) {
      this.#held = { ...this.#held, readAtMs: nowMs };
      return;
    }
    await this.#take({ revision: stored.revision, value: readAuthorityState(stored.value), readAtMs: nowMs });
  }

  /** Bundles after `version`, oldest first; the newest one when there is none after it. */
  bundlesAfter(version: number): readonly SignedDocument[] {
    const { bundles, bundle } = this.#held.value;
    return bundles.slice(-Math.max(1, Math.min(bundles.length, bundle.version - version)));
  }

  /** Certifies a node's key for so long, backdated by what clocks differ. Throws `ca_unavailable`. */
  async issue(
    id: Omit<SpiffeId, "trustDomain">,
    publicKey: Uint8Array,
    lifeMs: number,
  ): Promise<{ certificate: Certificate; issuer: Certificate }> {
    await this.refresh();
    const issuing = this.#issuer();
    const nowMs = this.#deps.clock.wall();
    const certificate = await issueNode(
      issuing,
      { trustDomain: this.trustDomain, ...id },
      publicKey,
      { notBeforeMs: nowMs - nodeBackdatedMs, notAfterMs: nowMs + lifeMs - 1_000 },
      this.#deps.random,
    );
    return { certificate, issuer: issuing.certificate };
  }

  /** The list of now: signed when something changed, and every minute. Throws `ca_unavailable`. */
  async revocations(): Promise<SignedList> {
    await this.refresh();
    const { store, clock } = this.#deps;
    const revoked = await store.revokedIdentities();
    const nowMs = clock.wall();
    const held = this.#list?.list;
    const isCurrent = held !== undefined && held.version === revoked.revision &&
      held.bundleVersion === this.bundle.version && nowMs - held.issuedAtMs < listEveryMs &&
      nowMs >= held.issuedAtMs;
    if (this.#list !== undefined && isCurrent) return this.#list;
    if (this.#issuing === undefined) return await this.#signedElsewhere();
    const list: RevocationList = {
      trustDomain: this.trustDomain,
      version: revoked.revision,
      bundleVersion: this.bundle.version,
      issuedAtMs: nowMs,
      nextUpdateMs: nowMs + listLifeMs,
      entries: revoked.value.map(({ kind, value, severity, atMs }) => ({ kind, value, severity, atMs })),
    };
    const document = await signRevocations(list, this.#issuing);
    await store.putSetting(listSetting, JSON.stringify(document));
    return this.#list = { list, document };
  }

  /** What a control with an issuing CA signed last. */
  async #signedElsewhere(): Promise<SignedList> {
    const { store, clock } = this.#deps;
    const document = JSON.parse(await store.setting(listSetting) ?? "null");
    if (document === null) throw unavailable();
    return { document, list: verifyRevocations(document, this.bundle, clock.wall()) };
  }

  /** The authority of this kind and certificate, where its key is here. */
  async authority(
    kind: "root" | "bootstrap" | "issuing",
    certificate: Certificate,
  ): Promise<Authority | undefined> {
    const privateKey = await this.#deps.vault.privateKey(kind, certificate.sha256);
    return privateKey && { certificate, privateKey };
  }

  /** As {@link AuthorityVault.request}. */
  async request(make: Parameters<AuthorityVault["request"]>[0]): Promise<Uint8Array> {
    return await this.#deps.vault.request(make);
  }

  /** As {@link AuthorityVault.adopt}. */
  async adopt(certificate: Uint8Array): Promise<boolean> {
    return await this.#deps.vault.adopt(certificate);
  }

  /** Makes an issuing CA under a root, with its key in the vault. */
  async makeIssuing(root: Authority): Promise<Certificate> {
    return await makeIssuing(this.#deps, root);
  }

  /** Makes a root, with its key in the vault. */
  async makeRoot(): Promise<Authority> {
    return await makeSelfSigned(this.#deps, "root");
  }

  /**
   * Writes another state in the place of `from`, which is {@link state} as it was when the change was thought of; false when it is
   * another one by now, here or in the store. A bundle that is given is the next version, signed by every
   * authority that has a key here: the issuing CA, the bootstrap CA, roots.
   */
  async change(
    from: AuthorityState,
    change: Partial<Pick<AuthorityState, "current">> & { readonly rotation: AuthorityState["rotation"] },
    bundle?: Pick<TrustBundle, "roots" | "issuers">,
  ): Promise<boolean> {
    const { store, clock } = this.#deps;
    const { revision, value } = this.#held;
    // A request of the same moment may have read it again.
    if (value !== from) return false;
    const bundles = bundle === undefined
      ? value.bundles
      : [...value.bundles, await this.#sign(value, bundle)];
    const text = writeAuthorityState({ ...value, ...change, bundles });
    const isWritten = await store.saveAuthorities(text, revision);
    const stored = isWritten ? { revision: revision + 1, value: text } : await store.loadAuthorities();
    if (stored === undefined) throw busy();
    await this.#take({
      revision: stored.revision,
      value: readAuthorityState(stored.value),
      readAtMs: clock.now(),
    });
    return isWritten;
  }

  /** Destroys keys of issuing CAs that count no more. */
  async forgetKey(certificateSha256: string): Promise<void> {
    await this.#deps.vault.remove("issuing", certificateSha256);
  }

  async #sign(
    value: AuthorityState,
    bundle: Pick<TrustBundle, "roots" | "issuers">,
  ): Promise<SignedDocument> {
    const next: TrustBundle = {
      trustDomain: this.trustDomain,
      version: value.bundle.version + 1,
      issuedAtMs: this.#deps.clock.wall(),
      ...bundle,
    };
    const found = await Promise.all([
      ...next.issuers.map(({ certificate }) => this.authority("issuing", certificate)),
      ...next.roots.map(({ certificate }) => this.authority("root", certificate)),
      this.authority("bootstrap", value.bootstrap),
    ]);
    return await signTrustBundle(next, found.filter((one) => one !== undefined));
  }

  /** What is older than what is held came late. */
  async #take(held: Held): Promise<void> {
    if (held.revision < this.#held.revision) return;
    this.#held = held;
    await this.#loadIssuing();
  }

  /** The newest that issues and has its key here. */
  async #loadIssuing(): Promise<void> {
    const { bundle, current } = this.#held.value;
    if (this.#issuing !== undefined && current.at(-1) === this.#issuing.certificate.sha256) return;
    // Those who want a certificate meanwhile get it of the one before: it is on its way out, and not over.
    let newest: Authority | undefined;
    for (const sha256 of current.toReversed()) {
      const accepted = bundle.issuers.find(({ certificate }) => certificate.sha256 === sha256);
      if (accepted === undefined) continue;
      newest = await this.authority("issuing", accepted.certificate);
      if (newest !== undefined) break;
    }
    if (this.#held.value.current === current) this.#issuing = newest;
  }

  async #joinByRoot(): Promise<boolean> {
    const { bundle } = this.#held.value;
    for (const { certificate } of bundle.roots.toReversed()) {
      const root = await this.authority("root", certificate);
      if (root === undefined) continue;
      const issuing = await this.makeIssuing(root);
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const { value } = this.#held;
        const issuers = [...value.bundle.issuers, this.accepted(issuing)];
        const current = [...value.current, issuing.sha256];
        if (
          await this.change(value, { current, rotation: value.rotation }, {
            roots: value.bundle.roots,
            issuers,
          })
        ) return true;
      }
      throw busy();
    }
    return false;
  }

  /** An authority that counts from now on. */
  accepted(certificate: Certificate) {
    return { certificate, acceptedFromMs: this.#deps.clock.wall() - backdatedMs };
  }

  #issuer(): Authority {
    if (this.#issuing !== undefined) return this.#issuing;
    throw unavailable();
  }
}

async function firstState(deps: NodeAuthoritiesDeps): Promise<string> {
  const { vault, clock, trustDomain } = deps;
  const nowMs = clock.wall();
  const bootstrap = await keptOrMade(deps, "bootstrap");
  const root = await keptOrMade(deps, "root");
  const [kept] = await vault.certificates("issuing");
  const issuing = kept === undefined ? await makeIssuing(deps, root) : readNodeCertificate(kept);
  const privateKey = await vault.privateKey("issuing", issuing.sha256);
  if (privateKey === undefined) throw damaged();
  const bundle: TrustBundle = {
    trustDomain,
    version: 1,
    issuedAtMs: nowMs,
    roots: [{ certificate: root.certificate, acceptedFromMs: nowMs - backdatedMs }],
    issuers: [{ certificate: issuing, acceptedFromMs: nowMs - backdatedMs }],
  };
  return writeAuthorityState({
    trustDomain,
    bootstrap: bootstrap.certificate,
    bundles: [await signTrustBundle(bundle, [{ certificate: issuing, privateKey }, root, bootstrap])],
    current: [issuing.sha256],
  });
}

/** After a crash before the state was written the keys are there already. */
async function keptOrMade(deps: NodeAuthoritiesDeps, kind: "root" | "bootstrap"): Promise<Authority> {
  const [kept] = await deps.vault.certificates(kind);
  if (kept === undefined) return await makeSelfSigned(deps, kind);
  const certificate = readNodeCertificate(kept);
  const privateKey = await deps.vault.privateKey(kind, certificate.sha256);
  if (privateKey === undefined) throw damaged();
  return { certificate, privateKey };
}

async function makeSelfSigned(deps: NodeAuthoritiesDeps, kind: "root" | "bootstrap"): Promise<Authority> {
  const { vault, clock, random, trustDomain } = deps;
  const nowMs = clock.wall();
  const validity = { notBeforeMs: nowMs - backdatedMs, notAfterMs: nowMs + rootLifeMs };
  const made = await vault.make(
    kind,
    async (keys) => (await selfSigned(kind, trustDomain, keys, validity, random)).bytes,
  );
  const certificate = readNodeCertificate(made);
  const privateKey = await vault.privateKey(kind, certificate.sha256);
  if (privateKey === undefined) throw damaged();
  return { certificate, privateKey };
}

async function makeIssuing(deps: NodeAuthoritiesDeps, root: Authority): Promise<Certificate> {
  const { vault, clock, random, trustDomain } = deps;
  const nowMs = clock.wall();
  const validity = { notBeforeMs: nowMs - backdatedMs, notAfterMs: nowMs + issuingLifeMs };
  return readNodeCertificate(
    await vault.make(
      "issuing",
      async ({ publicKey }) => (await issueAuthority(root, trustDomain, publicKey, validity, random)).bytes,
    ),
  );
}

function damaged(): PosternError {
  return new PosternError("ca_state_unusable", "Cannot use the authorities: a key is gone that was there");
}

function unavailable(): PosternError {
  return new PosternError("ca_unavailable", "Cannot sign for nodes: this control has no issuing CA");
}

function busy(): PosternError {
  return new PosternError("store_busy", "Cannot change the authorities: other processes keep writing them");
}
