/** Newer trust that control sends: each bundle is believed by the one before it, the list by the newest. */
import type { NodeIdentity } from "../driver/tls/mod.ts";
import { codeOf } from "../errors/mod.ts";
import {
  type RevocationList,
  type SignedDocument,
  type TrustBundle,
  verifyRevocations,
  verifyTrustBundle,
} from "../pki/mod.ts";

/** As they were verified. */
export interface TrustDocuments {
  /** The newest one; absent when it is as before. */
  readonly bundle?: SignedDocument;
  /** Absent when the held list is newer. */
  readonly revocations?: SignedDocument;
}

/**
 * Verifies it and makes it the node's own. What is wrong changes nothing.
 * @throws PosternError what `verifyTrustBundle` and `verifyRevocations` throw
 */
export function takeTrust(
  identity: NodeIdentity,
  documents: readonly SignedDocument[],
  revocations: SignedDocument,
  nowMs: number,
): TrustDocuments {
  let bundle: TrustBundle = identity.trust.bundle;
  let newest: SignedDocument | undefined;
  for (const document of documents) {
    const next = verifyTrustBundle(document, bundle, nowMs);
    if (next.version === bundle.version) continue;
    bundle = next;
    newest = document;
  }
  let list: RevocationList = identity.trust.revocations;
  let isNewer = true;
  try {
    list = verifyRevocations(revocations, bundle, nowMs, list);
  } catch (error) {
    // Another control's list may be a moment older than the one that is held.
    if (codeOf(error) !== "revocations_rollback") throw error;
    isNewer = false;
  }
  identity.replaceTrust({ bundle, revocations: list });
  return { ...(newest === undefined ? {} : { bundle: newest }), ...(isNewer ? { revocations } : {}) };
}
