/** What the controls of a cluster share about its authorities: JSON in the store, one writer for each revision. */
import { z } from "zod";
import type { Certificate } from "../attestation/ek/mod.ts";
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { readHeldBundle, readNodeCertificate, type SignedDocument, type TrustBundle } from "../pki/mod.ts";

/** Bundles that are kept, for nodes that were off while several followed each other. */
const maxKeptBundles = 32;

const rotationSchema = z.object({
  id: z.string(),
  /** What is new: an issuing CA, or a root with one. */
  what: z.enum(["issuing", "root"]),
  stage: z.enum(["published", "activated"]),
  /** SHA-256 of the issuing CAs. */
  from: z.string(),
  to: z.string(),
  started_at_ms: z.number(),
  started_by: z.string(),
  /** When the new one issues: nodes have the bundle by then. */
  activate_at_ms: z.number(),
  activated_at_ms: z.number().optional(),
  /** Since when no certificate of the old one counts any more. */
  drained_at_ms: z.number().optional(),
});
export type Rotation = z.infer<typeof rotationSchema>;

const stateSchema = z.object({
  format: z.literal(1),
  trust_domain: z.string(),
  /** DER, base64url. */
  bootstrap: z.string(),
  bundles: z.array(
    z.object({
      payload: z.string(),
      signatures: z.array(z.object({ by: z.string(), signature: z.string() })),
    }),
  )
    .min(1),
  /** SHA-256 of issuing CAs that issue. Each control uses the one whose key it has. */
  current: z.array(z.string()),
  rotation: rotationSchema.optional(),
});

export interface AuthorityState {
  readonly trustDomain: string;
  readonly bootstrap: Certificate;
  /** Oldest first, as they were signed. */
  readonly bundles: readonly SignedDocument[];
  /** The newest of them. */
  readonly bundle: TrustBundle;
  readonly current: readonly string[];
  readonly rotation?: Rotation;
}

/** Throws `ca_state_unusable`. */
export function readAuthorityState(text: string): AuthorityState {
  try {
    const { trust_domain, bootstrap, bundles, current, rotation } = stateSchema.parse(JSON.parse(text));
    return {
      trustDomain: trust_domain,
      bootstrap: readNodeCertificate(fromBase64Url(bootstrap)),
      bundles,
      bundle: readHeldBundle(bundles[bundles.length - 1]),
      current,
      ...(rotation === undefined ? {} : { rotation }),
    };
  } catch (cause) {
    throw new PosternError(
      "ca_state_unusable",
      "Cannot use the authorities in the database: they are damaged",
      {
        cause,
      },
    );
  }
}

export function writeAuthorityState(state: Omit<AuthorityState, "bundle">): string {
  return JSON.stringify({
    format: 1,
    trust_domain: state.trustDomain,
    bootstrap: toBase64Url(state.bootstrap.bytes),
    bundles: state.bundles.slice(-maxKeptBundles),
    current: state.current,
    ...(state.rotation === undefined ? {} : { rotation: state.rotation }),
  });
}
