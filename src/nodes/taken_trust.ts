/** Newer trust that control or a connector sends: each bundle is believed by the one before it, the list by the newest. */
import type { NodeIdentity } from "../driver/tls/mod.ts";
import { codeOf, type ErrorCode } from "../errors/mod.ts";
import { type SignedDocument, verifyRevocations, verifyTrustBundle } from "../pki/mod.ts";

/**
 * Verifies it and makes it the node's own. What is wrong changes nothing.
 * @throws PosternError what `verifyTrustBundle` and `verifyRevocations` throw
 */
export function takeTrust(
  identity: NodeIdentity,
  bundles: readonly SignedDocument[],
  revocations: SignedDocument,
  nowMs: number,
): void {
  const held = identity.trust;
  let { bundle } = held;
  let bundleDocument = held.documents?.bundle;
  for (const document of bundles) {
    const next = unlessOlder("trust_bundle_rollback", () => verifyTrustBundle(document, bundle, nowMs));
    if (next === undefined || next.version === bundle.version) continue;
    bundle = next;
    bundleDocument = document;
  }
  const newer = unlessOlder(
    "revocations_rollback",
    () => verifyRevocations(revocations, bundle, nowMs, held.revocations),
  );
  const list = newer ?? held.revocations;
  const listDocument = newer === undefined ? held.documents?.revocations : revocations;
  identity.replaceTrust({
    bundle,
    revocations: list,
    ...(bundleDocument === undefined || listDocument === undefined
      ? {}
      : { documents: { bundle: bundleDocument, revocations: listDocument } }),
  });
}

/** What another host has may be a moment older than what is held: it is passed over, never taken. */
function unlessOlder<T>(code: ErrorCode, verify: () => T): T | undefined {
  try {
    return verify();
  } catch (error) {
    if (codeOf(error) === code) return undefined;
    throw error;
  }
}
