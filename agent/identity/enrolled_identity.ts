/**
 * The identity of a node that was enrolled: whoever listens or dials reads it at each handshake, and it changes while connections
 * stay open. What it is, it is on disk as well, before it is shown to anybody.
 */
import { der, instant, toBase64Url } from "../../src/bytes/mod.ts";
import { NodeIdentity, type NodeTrust } from "../../src/driver/tls/mod.ts";
import { codeOf, type ErrorCode, errorOf, PosternError } from "../../src/errors/mod.ts";
import { startRenewalLoop, takeTrust } from "../../src/nodes/mod.ts";
import { makeCsr, type SignedDocument, signRenewal } from "../../src/pki/mod.ts";
import type { Clock, Log, Random } from "../../src/ports/mod.ts";
import type { ControlClient } from "../control_client.ts";
import type { EkProof } from "../identity_messages.ts";
import { checkAnswered, firstTrust, keptTrust, pinOf, type ProvenTrust } from "./answered_identity.ts";
import {
  type KeptIdentity,
  makeNodeKeys,
  type NodeKeys,
  readIdentityFile,
  writeIdentityFile,
} from "./identity_file.ts";
import type { SecretFiles } from "./secret_files.ts";

/** Between looks at the revocation list, and up to a fifth less. */
const TRUST_EVERY_MS = 60_000;
/** Control signs its list anew every minute: what came over a channel in this time needs no look. */
const TRUST_FRESH_MS = 90_000;
/** Nothing that trying again would change: an operator has to act. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "identity_expired",
  "identity_superseded",
  "identity_unknown",
  "peer_certificate_revoked",
]);

/** Files that this node will never read again: a new enrollment may take their place. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "identity_file_malformed",
  "identity_seal_cleared",
  "identity_seal_damaged",
  "identity_seal_foreign",
  "identity_seal_pcrs_changed",
  "identity_sealed",
]);

export type IdentityControl = Pick<
  ControlClient,
  "enrollIdentity" | "renewalNonce" | "renewIdentity" | "trustBundles" | "nodeRevocations"
>;

export interface EnrolledIdentityOptions {
  /** As `identityFileIn` says. */
  readonly path: string;
  /** What protects that file. */
  readonly files: SecretFiles;
  /** Controls of the cluster, in the order in which they are tried. */
  readonly controls: readonly IdentityControl[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** For a token that is bound to a TPM, by this machine's; absent without one. */
  readonly proveEk?: (token: string) => Promise<EkProof>;
  /** Of each renewal: `ok`, or why not. */
  readonly onRenewal?: (result: string) => void;
}

export class EnrolledIdentity extends NodeIdentity {
  readonly #options: EnrolledIdentityOptions;
  readonly #abort = new AbortController();
  #keys: NodeKeys;
  #documents: { readonly bundle: SignedDocument; readonly revocations: SignedDocument };
  #kept: string;
  #failure: ErrorCode | undefined;
  /** When trust came over a channel. */
  #toldAtMs = -Infinity;
  #stop: (() => void)[] = [];
  #cancelTrust: () => void = () => {};
  /** One write of the file after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    options: EnrolledIdentityOptions,
    keys: NodeKeys,
    chain: readonly Uint8Array[],
    trust: ProvenTrust,
  ) {
    super(credentialsOf(keys, chain), trust);
    this.#options = options;
    this.#keys = keys;
    this.#documents = trust.documents;
    this.#kept = versionsOf(trust);
  }

  /**
   * Enrolls this node by a one-time token. The key is on disk before control is asked: after a crash at any step the same token
   * is good for another attempt. @param replace an identity that is there is given up.
   * @throws PosternError `identity_exists`, `identity_file_malformed`, `identity_seal*`, `state_unwritable`, what control refuses with, and what is
   * thrown about its answer
   */
  static async enroll(
    options: EnrolledIdentityOptions,
    token: string,
    replace = false,
  ): Promise<EnrolledIdentity> {
    const { path, files, clock } = options;
    const pin = pinOf(token);
    const { kept, isThere } = await keptBefore(options, replace);
    if (kept?.identity !== undefined && !replace) {
      throw new PosternError("identity_exists", `Cannot enroll node: ${path} holds an identity already`);
    }
    const keys = kept === undefined || kept.identity !== undefined ? await makeNodeKeys() : kept.keys;
    if (!isThere) await writeIdentityFile(path, { keys }, files);
    const csr = toBase64Url(await makeCsr(keys));
    const answer = await answered(options, token, csr);
    const trust = firstTrust(answer, pin, clock.wall());
    await checkAnswered(answer.certificate_chain, trust, keys, clock.wall());
    await writeIdentityFile(path, {
      keys,
      identity: { chain: answer.certificate_chain, ...trust.documents },
    }, files);
    return new EnrolledIdentity(options, keys, answer.certificate_chain, trust);
  }

  /**
   * The identity of before, whose certificate may be over; undefined where this node was never enrolled.
   * @throws PosternError `identity_file_malformed`, `identity_seal*`, and the codes of private files
   */
  static async load(options: EnrolledIdentityOptions): Promise<EnrolledIdentity | undefined> {
    const kept = await readIdentityFile(options.path, options.files);
    if (kept?.identity === undefined) return undefined;
    try {
      return new EnrolledIdentity(options, kept.keys, kept.identity.chain, keptTrust(kept.identity));
    } catch (cause) {
      throw new PosternError(
        "identity_file_malformed",
        "Cannot use the identity of this node: its file is damaged",
        { cause },
      );
    }
  }

  /** Why it is not renewed any more, until an operator acts. */
  get failure(): ErrorCode | undefined {
    return this.#failure;
  }

  /** As they were signed: for those who come to this node. */
  get documents(): { readonly bundle: SignedDocument; readonly revocations: SignedDocument } {
    return this.#documents;
  }

  /** Keeps it fresh until {@link stop}. */
  start(): void {
    const { clock, random } = this.#options;
    this.#stop.push(
      startRenewalLoop({
        identity: this,
        clock,
        random,
        renew: () => this.renew(),
        onResult: (failure) => this.#renewed(failure),
      }),
    );
    this.#scheduleTrust(0);
  }

  stop(): void {
    this.#abort.abort();
    for (const stop of this.#stop.splice(0)) stop();
    this.#cancelTrust();
  }

  /** Renews now. Throws what control refuses with, and what is wrong about its answer: then everything is as before. */
  async renew(): Promise<void> {
    const { controls, clock } = this.#options;
    const { certificate, trust } = this;
    const before = this.#keys;
    const keys = await makeNodeKeys();
    const csr = await makeCsr(keys);
    const { certificate_chain: chain, trust_bundles, revocations } = await firstOf(
      controls,
      async (control) => {
        const nonce = await control.renewalNonce(this.#abort.signal);
        return await control.renewIdentity({
          certificate: toBase64Url(certificate.bytes),
          nonce,
          csr: toBase64Url(csr),
          proof: toBase64Url(await signRenewal(before.privateKey, nonce, csr)),
          trust_bundle_version: trust.bundle.version,
        }, this.#abort.signal);
      },
    );
    this.#take(trust_bundles, revocations);
    await checkAnswered(chain, this.trust, keys, clock.wall(), this.id);
    await this.#write({ keys, chain });
    this.#failure = undefined;
  }

  /** Fetches revocation list and trust bundle. Throws what control refuses with, and what is wrong about its answer. */
  async refreshTrust(): Promise<void> {
    const { controls } = this.#options;
    const { version } = this.trust.bundle;
    const { bundles, revocations } = await firstOf(controls, async (control) => {
      const revocations = await control.nodeRevocations(this.#abort.signal);
      const bundles = await control.trustBundles(version, this.#abort.signal);
      return { bundles, revocations };
    });
    this.#take(bundles, revocations);
    await this.#writing;
  }

  /** What was asked for: it says nothing about what comes by itself. */
  #take(bundles: readonly SignedDocument[], revocations: SignedDocument): void {
    const toldAtMs = this.#toldAtMs;
    takeTrust(this, bundles, revocations, this.#options.clock.wall());
    this.#toldAtMs = toldAtMs;
  }

  override replaceTrust(trust: NodeTrust): void {
    const { clock, log } = this.#options;
    this.#toldAtMs = clock.now();
    if (trust.documents !== undefined) this.#documents = trust.documents;
    super.replaceTrust(trust);
    // A list that was signed anew without another entry is not worth a write.
    const versions = versionsOf(trust);
    if (versions === this.#kept) return;
    this.#kept = versions;
    this.#write().catch((error) => log("error", "trust of nodes not kept", { code: codeOf(error) }));
  }

  /** Writes what is held when its turn comes; a next certificate is on disk before it is shown, its key renews it. */
  #write(next?: { readonly keys: NodeKeys; readonly chain: readonly Uint8Array[] }): Promise<void> {
    const written = this.#writing.then(async () => {
      const { keys, chain } = next ?? { keys: this.#keys, chain: this.credentials.chain };
      const { path, files } = this.#options;
      await writeIdentityFile(path, { keys, identity: { chain, ...this.#documents } }, files);
      if (next === undefined) return;
      this.replaceCredentials(credentialsOf(keys, chain));
      this.#keys = keys;
    });
    this.#writing = written.catch(() => {});
    return written;
  }

  #renewed(failure: PosternError | undefined): boolean {
    const { log, onRenewal } = this.#options;
    onRenewal?.(failure?.code ?? "ok");
    if (failure === undefined) {
      log("info", "node certificate renewed", { not_after: instant(this.endsAtMs) });
      return true;
    }
    const { code, facts: { remedy } } = failure;
    if (!FINAL.has(code)) {
      log("warn", "identity not renewed yet", { code });
      return true;
    }
    this.#failure = code;
    log("error", "identity is not renewed any more", { code, remedy });
    return false;
  }

  #scheduleTrust(waitMs: number): void {
    const { clock, log, random } = this.#options;
    this.#cancelTrust = clock.schedule(clock.now() + waitMs, async () => {
      try {
        if (clock.now() - this.#toldAtMs >= TRUST_FRESH_MS) await this.refreshTrust();
      } catch (error) {
        if (!this.#abort.signal.aborted) {
          log("warn", "revocations of nodes not read", { code: codeOf(error) });
        }
      }
      if (!this.#abort.signal.aborted) {
        this.#scheduleTrust(TRUST_EVERY_MS * (1 - 0.2 * random(1)[0] / 256));
      }
    });
  }
}

/** With the TPM only where the token asks for it: whether it does, control says, and the token is still good. */
async function answered({ controls, proveEk }: EnrolledIdentityOptions, token: string, csr: string) {
  try {
    return await firstOf(controls, (control) => control.enrollIdentity(token, csr, never));
  } catch (error) {
    if (proveEk === undefined || codeOf(error) !== "enrollment_ek_proof_missing") throw error;
  }
  const proof = await proveEk(token);
  return await firstOf(controls, (control) => control.enrollIdentity(token, csr, never, proof));
}

/** @param replace what this node cannot read is given up as well, but not before control has answered */
async function keptBefore(
  { path, files }: EnrolledIdentityOptions,
  replace: boolean,
): Promise<{ readonly kept?: KeptIdentity; readonly isThere: boolean }> {
  try {
    const kept = await readIdentityFile(path, files);
    return kept === undefined ? { isThere: false } : { kept, isThere: true };
  } catch (error) {
    if (replace && UNREADABLE.has(codeOf(error))) return { isThere: true };
    throw error;
  }
}

/** `privateKey` is secret. */
function credentialsOf(keys: NodeKeys, chain: readonly Uint8Array[]) {
  return { chain, privateKey: der.toPem("PRIVATE KEY", keys.pkcs8) };
}

function versionsOf({ bundle, revocations }: NodeTrust): string {
  return `${bundle.version} ${revocations.version}`;
}

/** Asks one control after the other while they cannot be reached, or cannot issue. */
async function firstOf<T>(
  controls: readonly IdentityControl[],
  ask: (control: IdentityControl) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (const control of controls) {
    try {
      return await ask(control);
    } catch (error) {
      failure = error;
      if (!errorOf(error).retryable) break;
    }
  }
  throw failure;
}

/** The client bounds the time by itself. */
const never = new AbortController().signal;
