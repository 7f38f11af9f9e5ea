/**
 * The identity of this node. Whoever listens or dials reads it at each handshake: it changes while connections stay open. It
 * is renewed when 30 % of its life are left, a little earlier by chance, so that a thousand nodes do not come at once.
 */
import { toBase64Url } from "../../src/bytes/mod.ts";
import { Backoff } from "../../src/channel/mod.ts";
import { codeOf, type ErrorCode, errorOf, PosternError } from "../../src/errors/mod.ts";
import {
  checkPeerCertificate,
  makeCsr,
  type PeerExpectation,
  pemOfChain,
  signRenewal,
  type SpiffeId,
  type VerifiedPeer,
} from "../../src/pki/mod.ts";
import { der } from "../../src/bytes/mod.ts";
import type { Clock, Log, Random } from "../../src/ports/mod.ts";
import type { ControlClient } from "../control_client.ts";
import {
  firstIdentity,
  type HeldIdentity,
  keptIdentity,
  nextIdentity,
  nextTrust,
  pinOf,
} from "./held_identity.ts";
import { type KeptIdentity, makeNodeKeys, readIdentityFile, writeIdentityFile } from "./identity_file.ts";

/** Part of a certificate's life that is left when it is renewed; and up to so much more, by chance. */
const RENEW_AT = 0.3;
const RENEW_JITTER = 0.05;
/** Between looks at the revocation list, and up to a fifth less. */
const TRUST_EVERY_MS = 60_000;
const RETRY = Object.freeze({ initialMs: 1_000, maxMs: 60_000, maxElapsedMs: 0 });
/** Nothing that trying again would change: an operator has to act. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "identity_expired",
  "identity_superseded",
  "identity_unknown",
  "peer_certificate_revoked",
]);

export type IdentityControl = Pick<
  ControlClient,
  "enrollIdentity" | "renewalNonce" | "renewIdentity" | "trustBundles" | "nodeRevocations"
>;

export interface NodeIdentityOptions {
  /** As `identityFileIn` says. */
  readonly path: string;
  /** Controls of the cluster, in the order in which they are tried. */
  readonly controls: readonly IdentityControl[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class NodeIdentity {
  readonly #options: NodeIdentityOptions;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #backoff: Backoff;
  #held: HeldIdentity;
  #failure: ErrorCode | undefined;
  #cancelRenewal: () => void = () => {};
  #cancelTrust: () => void = () => {};

  private constructor(options: NodeIdentityOptions, held: HeldIdentity) {
    this.#options = options;
    this.#held = held;
    this.#backoff = new Backoff(RETRY, options.random);
  }

  /**
   * Enrols this node by a one-time token. The key is on disk before control is asked: after a crash at any step the same token
   * is good for another attempt. @param replace an identity that is there is given up.
   * @throws PosternError `identity_exists`, `identity_file_malformed`, `state_unwritable`, what control refuses with, and what is
   * thrown about its answer
   */
  static async enrol(options: NodeIdentityOptions, token: string, replace = false): Promise<NodeIdentity> {
    const { path, clock } = options;
    const pin = pinOf(token);
    const kept = await readIdentityFile(path);
    if (kept?.identity !== undefined && !replace) {
      throw new PosternError("identity_exists", `Cannot enrol node: ${path} holds an identity already`);
    }
    const keys = kept === undefined || kept.identity !== undefined ? await makeNodeKeys() : kept.keys;
    if (kept === undefined) await writeIdentityFile(path, { keys });
    const csr = toBase64Url(await makeCsr(keys));
    const answer = await firstOf(options.controls, (control) => control.enrollIdentity(token, csr, never));
    const held = await firstIdentity(answer, keys, pin, clock.wall());
    await writeIdentityFile(path, keptOf(held));
    return new NodeIdentity(options, held);
  }

  /** The identity of before; undefined where this node was never enrolled. Throws `identity_file_malformed`. */
  static async load(options: NodeIdentityOptions): Promise<NodeIdentity | undefined> {
    const kept = await readIdentityFile(options.path);
    return kept?.identity && new NodeIdentity(options, keptIdentity(kept.keys, kept.identity));
  }

  get id(): SpiffeId {
    return this.#held.id;
  }

  /** As of now: not to be kept beyond a handshake. */
  get held(): HeldIdentity {
    return this.#held;
  }

  /** PEM for TLS. `key` is secret. */
  get pem(): { readonly cert: string; readonly key: string } {
    return { cert: pemOfChain(this.#held.chain), key: der.toPem("PRIVATE KEY", this.#held.keys.pkcs8) };
  }

  /** Why it is not renewed any more, until an operator acts. */
  get failure(): ErrorCode | undefined {
    return this.#failure;
  }

  /** Judges a peer by what is held now. Throws what `checkPeerCertificate` throws. */
  check(chain: readonly Uint8Array[], expectation: Omit<PeerExpectation, "nowMs">): VerifiedPeer {
    const { bundle, revocations } = this.#held;
    return checkPeerCertificate(chain, bundle, revocations, {
      ...expectation,
      nowMs: this.#options.clock.wall(),
    });
  }

  /** Calls back after every change of certificate, bundle or list: open connections are checked again. What it returns ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Keeps it fresh until {@link stop}. */
  start(): void {
    this.#scheduleRenewal(this.#renewInMs());
    this.#scheduleTrust(0);
  }

  stop(): void {
    this.#abort.abort();
    this.#cancelRenewal();
    this.#cancelTrust();
  }

  /** Renews now. Throws what control refuses with. */
  async renew(): Promise<void> {
    const { controls, clock, path } = this.#options;
    const before = this.#held;
    const keys = await makeNodeKeys();
    const csr = await makeCsr(keys);
    const answer = await firstOf(controls, async (control) => {
      const nonce = await control.renewalNonce(this.#abort.signal);
      return await control.renewIdentity({
        certificate: toBase64Url(before.certificate.bytes),
        nonce,
        csr: toBase64Url(csr),
        proof: toBase64Url(await signRenewal(before.keys.privateKey, nonce, csr)),
        trust_bundle_version: before.bundle.version,
      }, this.#abort.signal);
    });
    const next = await nextIdentity(answer, keys, before, clock.wall());
    // On disk before it is used: the next renewal is by this key.
    await writeIdentityFile(path, keptOf(next));
    this.#held = next;
    this.#failure = undefined;
    this.#changed();
  }

  /** Fetches revocation list and trust bundle. Throws what control refuses with, and what is wrong about its answer. */
  async refreshTrust(): Promise<void> {
    const { controls, clock, path } = this.#options;
    const before = this.#held;
    const { bundles, revocations } = await firstOf(controls, async (control) => {
      const revocations = await control.nodeRevocations(this.#abort.signal);
      const bundles = await control.trustBundles(before.bundle.version, this.#abort.signal);
      return { bundles, revocations };
    });
    const held = this.#held;
    const trust = nextTrust(held, bundles, revocations, clock.wall());
    const isOther = trust.bundle.version !== held.bundle.version ||
      trust.revocations.version !== held.revocations.version;
    this.#held = { ...held, ...trust };
    if (!isOther) return;
    await writeIdentityFile(path, keptOf(this.#held));
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #renewInMs(): number {
    const { notBeforeMs, notAfterMs } = this.#held.certificate;
    const left = (RENEW_AT + RENEW_JITTER * this.#chance()) * (notAfterMs - notBeforeMs);
    return notAfterMs - left - this.#options.clock.wall();
  }

  #scheduleRenewal(waitMs: number): void {
    const { clock, log } = this.#options;
    this.#cancelRenewal = clock.schedule(clock.now() + Math.max(0, waitMs), async () => {
      try {
        await this.renew();
        this.#backoff.reset();
        if (!this.#abort.signal.aborted) this.#scheduleRenewal(this.#renewInMs());
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        const code = codeOf(error);
        if (FINAL.has(code)) {
          this.#failure = code;
          return log("error", "identity is not renewed any more", {
            code,
            remedy: errorOf(error).facts.remedy,
          });
        }
        log("warn", "identity not renewed yet", { code });
        this.#scheduleRenewal(this.#backoff.next(clock.now()) ?? RETRY.maxMs);
      }
    });
  }

  #scheduleTrust(waitMs: number): void {
    const { clock, log } = this.#options;
    this.#cancelTrust = clock.schedule(clock.now() + waitMs, async () => {
      try {
        await this.refreshTrust();
      } catch (error) {
        if (!this.#abort.signal.aborted) {
          log("warn", "revocations of nodes not read", { code: codeOf(error) });
        }
      }
      if (!this.#abort.signal.aborted) this.#scheduleTrust(TRUST_EVERY_MS * (1 - 0.2 * this.#chance()));
    });
  }

  /** From 0 to below 1. */
  #chance(): number {
    const [high, low] = this.#options.random(2);
    return (high * 256 + low) / 65_536;
  }
}

function keptOf({ keys, chain, bundleDocument, revocationsDocument }: HeldIdentity): KeptIdentity {
  return { keys, identity: { chain, bundle: bundleDocument, revocations: revocationsDocument } };
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
