/**
 * Following one authority by another, without a moment in which nodes do not believe each other.
 *
 * ```
 *   (none) --start--> published --publish time--> activated --nobody is left--> (none), the old one retired
 *          a new issuing CA, and      the new one issues;       all certificates of the old one
 *          root, in the bundle        both are believed         were renewed or have ended, a minute ago
 * ```
 * Each step is one write of the shared state, so that a control that is killed goes on from where it was; keys are made before
 * the write that names them, and destroyed after the write that retires them.
 */
import type { Certificate } from "../attestation/ek/mod.ts";
import { toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { type Authority, isAccepted, type TrustBundle } from "../pki/mod.ts";
import { audit } from "./audit.ts";
import type { Rotation } from "./authority_state.ts";
import type { ControlDeps } from "./config.ts";

/** Least time for which the new one issues before the old one may go: other controls have seen it by then. */
const minActiveMs = 60_000;
/** Who was given the last new certificate has shown it on its open channels by then: else those would be cut. */
const settleMs = 60_000;
/** How long after its end an authority stays in the bundle, besides the grace time of identities. */
const keptRetiredMs = 86_400_000;
const maxAttempts = 8;
const idBytes = 9;

export type RotationDeps =
  & Pick<ControlDeps, "store" | "clock" | "random" | "config" | "identities" | "log">
  & {
    readonly events: Pick<ControlDeps["events"], "onNodeTrustChanged">;
  };

export interface RotationView {
  readonly rotation?: Rotation;
  /** Nodes whose certificate is of the old issuing CA. */
  readonly nodesLeft?: number;
  /** Whether the key of the newest root is here, as starting a rotation needs. */
  readonly hasRootKey: boolean;
  /** Nodes that would have to renew: those of the issuing CA of this control. */
  readonly nodes: number;
}

export async function rotationView(deps: RotationDeps): Promise<RotationView> {
  const { identities, store, clock } = deps;
  await identities.refresh(0);
  const { rotation } = identities.state;
  const issuer = identities.issuer?.sha256;
  const nowMs = clock.wall();
  return {
    ...(rotation === undefined
      ? {}
      : { rotation, nodesLeft: await store.liveCertificates(rotation.from, nowMs) }),
    hasRootKey: await newestRoot(deps) !== undefined,
    nodes: issuer === undefined ? 0 : await store.liveCertificates(issuer, nowMs),
  };
}

/**
 * Publishes a new issuing CA beside that of this control, with `root` under a new root.
 * @param imported an issuing CA whose key is here, certified elsewhere: the root's key is not needed
 * @throws PosternError `ca_rotation_running`, `ca_root_offline`, `ca_unavailable`, `ca_certificate_refused`
 */
export async function startRotation(
  deps: RotationDeps,
  by: string,
  what: Rotation["what"],
  imported?: Certificate,
): Promise<Rotation> {
  const { identities, clock, random, config } = deps;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    await identities.refresh(0);
    const { state, issuer } = identities;
    if (state.rotation !== undefined) {
      throw new PosternError("ca_rotation_running", "Cannot rotate authorities: a rotation is under way");
    }
    if (issuer === undefined) {
      throw new PosternError("ca_unavailable", "Cannot rotate authorities: this control has no issuing CA");
    }
    const { next, root } = imported === undefined ? await made(deps, what) : { next: imported };
    if (next.keySha256 === issuer.keySha256) {
      throw new PosternError(
        "ca_certificate_refused",
        "Cannot rotate authorities: it is the one that issues now",
      );
    }
    const nowMs = clock.wall();
    const rotation: Rotation = {
      id: toBase64Url(random(idBytes)),
      what,
      stage: "published",
      from: issuer.sha256,
      to: next.sha256,
      started_at_ms: nowMs,
      started_by: by,
      activate_at_ms: nowMs + config.identity.publishMs,
    };
    const { roots, issuers } = kept(deps, state.bundle);
    const isWritten = await identities.change(state, { rotation }, {
      roots: root === undefined ? roots : [...roots, identities.accepted(root)],
      issuers: [...issuers, identities.accepted(next)],
    });
    if (isWritten) {
      await auditStage(deps, by, rotation, "published");
      deps.events.onNodeTrustChanged?.();
      return rotation;
    }
    if (imported === undefined) await identities.forgetKey(next.sha256);
  }
  throw new PosternError("store_busy", "Cannot rotate authorities: other processes keep writing them");
}

/** A new issuing CA, and the new root that it is under if one is asked for. */
async function made(
  deps: RotationDeps,
  what: Rotation["what"],
): Promise<{ readonly next: Certificate; readonly root?: Certificate }> {
  const { identities } = deps;
  const root = await newestRoot(deps);
  if (root === undefined) {
    throw new PosternError("ca_root_offline", "Cannot rotate authorities: the key of the root is not here");
  }
  if (what === "issuing") return { next: await identities.makeIssuing(root) };
  const above = await identities.makeRoot();
  return { next: await identities.makeIssuing(above), root: above.certificate };
}

/** Takes the step that is due, if one is. For whoever runs a control, again and again. */
export async function advanceRotation(
  deps: RotationDeps,
): Promise<"none" | "waiting" | "activated" | "retired"> {
  const { identities, store, clock } = deps;
  await identities.refresh(0);
  await forgetRetiredKeys(deps);
  const { state } = identities;
  const { rotation } = state;
  if (rotation === undefined) return "none";
  const nowMs = clock.wall();
  if (rotation.stage === "published") {
    if (nowMs < rotation.activate_at_ms || !await hasKey(deps, rotation.to)) return "waiting";
    const activated: Rotation = { ...rotation, stage: "activated", activated_at_ms: nowMs };
    const current = [...state.current.filter((one) => one !== rotation.from), rotation.to];
    // The old one goes on verifying; it issues no more.
    if (!await identities.change(state, { current, rotation: activated })) return "waiting";
    await auditStage(deps, "control", activated, "activated");
    return "activated";
  }
  if (nowMs < (rotation.activated_at_ms ?? nowMs) + minActiveMs || identities.issuer === undefined) {
    return "waiting";
  }
  const isDrained = await store.liveCertificates(rotation.from, nowMs) === 0;
  if (isDrained !== (rotation.drained_at_ms !== undefined)) {
    const { drained_at_ms: _before, ...rest } = rotation;
    await identities.change(state, { rotation: isDrained ? { ...rest, drained_at_ms: nowMs } : rest });
    return "waiting";
  }
  if (rotation.drained_at_ms === undefined || nowMs < rotation.drained_at_ms + settleMs) return "waiting";
  if (!await identities.change(state, { rotation: undefined }, retired(deps, state.bundle, rotation))) {
    return "waiting";
  }
  await auditStage(deps, "control", rotation, "retired");
  deps.events.onNodeTrustChanged?.();
  await forgetRetiredKeys(deps);
  return "retired";
}

/** The old issuing CA ends now, and with a new root each old root that has no issuing CA left. */
function retired(
  deps: RotationDeps,
  bundle: TrustBundle,
  { from, to, what }: Rotation,
): Pick<TrustBundle, "roots" | "issuers"> {
  const nowMs = deps.clock.wall();
  const { roots, issuers } = kept(deps, bundle);
  const ended = issuers.map((one) =>
    one.certificate.sha256 === from ? { ...one, acceptedUntilMs: nowMs } : one
  );
  const live = ended.filter((one) => isAccepted(one, nowMs));
  const newest = live.find(({ certificate }) => certificate.sha256 === to)?.certificate.issuer;
  return {
    issuers: ended,
    roots: roots.map((one) => {
      const isUsed = live.some(({ certificate }) => certificate.issuer === one.certificate.subject);
      const isOver = what === "root" && !isUsed && one.certificate.subject !== newest &&
        isAccepted(one, nowMs);
      return isOver ? { ...one, acceptedUntilMs: nowMs } : one;
    }),
  };
}

/** Without those that ended long ago: nobody has a certificate of them that could still be renewed. */
function kept({ clock, config }: RotationDeps, { roots, issuers }: TrustBundle) {
  const goneMs = clock.wall() - keptRetiredMs - config.identity.graceMs;
  const left = issuers.filter(({ acceptedUntilMs }) =>
    acceptedUntilMs === undefined || acceptedUntilMs > goneMs
  );
  return {
    issuers: left,
    roots: roots.filter(({ certificate, acceptedUntilMs }) =>
      acceptedUntilMs === undefined || acceptedUntilMs > goneMs ||
      left.some((one) => one.certificate.issuer === certificate.subject)
    ),
  };
}

async function newestRoot({ identities, clock }: RotationDeps): Promise<Authority | undefined> {
  const root = identities.bundle.roots.filter((one) => isAccepted(one, clock.wall())).at(-1);
  return root && await identities.authority("root", root.certificate);
}

async function hasKey({ identities }: RotationDeps, sha256: string): Promise<boolean> {
  const found = identities.bundle.issuers.find(({ certificate }) => certificate.sha256 === sha256);
  return found !== undefined && await identities.authority("issuing", found.certificate) !== undefined;
}

/** Also those of a rotation whose control was killed between its last write and this. */
async function forgetRetiredKeys({ identities, clock }: RotationDeps): Promise<void> {
  for (const { certificate, acceptedUntilMs } of identities.bundle.issuers) {
    if (acceptedUntilMs !== undefined && acceptedUntilMs <= clock.wall()) {
      await identities.forgetKey(certificate.sha256);
    }
  }
}

async function auditStage(
  deps: RotationDeps,
  actor: string,
  rotation: Rotation,
  stage: string,
): Promise<void> {
  const { id, what, from, to } = rotation;
  deps.log("info", "authorities rotate", { rotation: id, what, stage });
  await audit(deps, {
    actor,
    action: "ca.rotate",
    subject: id,
    detail: { what, stage, from_sha256: from, to_sha256: to },
  });
}
