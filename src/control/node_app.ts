/** Node identities over HTTP. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { instant, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { parseSpiffeId, revokedValue, type SignedDocument } from "../pki/mod.ts";
import { audit } from "./audit.ts";
import { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { bearerOf, requireOperator } from "./credentials.ts";
import type { ControlEnv } from "./http.ts";
import { enrollNode, type IssuedIdentity, renewNode } from "./node_identity.ts";
import {
  identityEnrollRoute,
  identityRenewRoute,
  renewalNonceRoute,
  revocationsRoute,
  revokeIdentityRoute,
  trustBundleRoute,
} from "./node_routes.ts";
import { RenewalNonces } from "./renewal_nonce.ts";

/** Caches may keep a bundle this long: far shorter than it is published before it counts. */
const bundleCacheSeconds = 30;

export function addNodeRoutes(app: OpenAPIHono<ControlEnv>, controlDeps: ControlDeps): void {
  const deps = {
    ...controlDeps,
    budget: new AuditBudget(controlDeps.clock.now.bind(controlDeps.clock)),
    nonces: new RenewalNonces(controlDeps),
  };

  app.openapi(identityEnrollRoute, async (context) => {
    const { token, csr, enrollment_id: enrollmentId, proof } = context.req.valid("json");
    const ekProof = enrollmentId === undefined || proof === undefined ? undefined : { enrollmentId, proof };
    return context.json(toldOf(await enrollNode(deps, token, csr, ekProof)), 200);
  });

  app.openapi(renewalNonceRoute, async (context) => {
    const { nonce, expiresAtMs } = await deps.nonces.make();
    return context.json({ nonce, expires_at: instant(expiresAtMs) }, 200);
  });

  app.openapi(identityRenewRoute, async (context) => {
    const { certificate, nonce, csr, proof, trust_bundle_version } = context.req.valid("json");
    const renewed = await renewNode(deps, {
      certificate,
      nonce,
      csr,
      proof,
      bundleVersion: trust_bundle_version,
    });
    return context.json(toldOf(renewed), 200);
  });

  app.openapi(trustBundleRoute, async (context) => {
    const { after = 0 } = context.req.valid("query");
    await deps.identities.refresh();
    context.header("Cache-Control", `public, max-age=${bundleCacheSeconds}`);
    return context.json({
      version: deps.identities.bundle.version,
      trust_bundles: deps.identities.bundlesAfter(after).map(writable),
    }, 200);
  });

  app.openapi(revocationsRoute, async (context) => {
    return context.json(writable((await deps.identities.revocations()).document), 200);
  });

  app.openapi(revokeIdentityRoute, async (context) => {
    const { kind, value, severity, reason, management_token } = context.req.valid("json");
    const bearer = bearerOf(context.req);
    const { sub } = await requireOperator(deps, [management_token, bearer]);
    const named = revokedValue(kind, value);
    if (named === undefined) {
      const form = kind === "id" ? "spiffe://TRUST-DOMAIN/ROLE/ID" : kind;
      throw new PosternError("request_invalid", `Cannot revoke identity: value is no ${form}`);
    }
    const { trustDomain } = deps.identities;
    // Nobody here is of another trust domain: to say that it is revoked would be believed.
    if (kind === "id" && parseSpiffeId(named).trustDomain !== trustDomain) {
      throw new PosternError(
        "request_invalid",
        `Cannot revoke identity: value is of another trust domain than ${trustDomain}`,
      );
    }
    const atMs = deps.clock.wall();
    const isNew = await deps.store.revokeIdentity({ kind, value: named, severity, atMs, by: sub, reason });
    await audit(deps, {
      actor: sub,
      action: "identity.revoke",
      subject: named,
      detail: { kind, severity, reason, already: !isNew },
    });
    if (isNew) deps.events.onNodeTrustChanged?.();
    return context.json({ revoked: true as const, kind, value: named, already: !isNew }, 200);
  });
}

/** As it was signed; the types of answers are not read-only. */
function writable({ payload, signatures }: SignedDocument) {
  return { payload, signatures: [...signatures] };
}

function toldOf({ spiffeId, chain, bundles, revocations, notAfterMs }: IssuedIdentity) {
  const documents = bundles.map(writable);
  return {
    spiffe_id: spiffeId,
    certificate_chain: chain.map(toBase64Url),
    trust_bundle: documents[documents.length - 1],
    trust_bundles: documents,
    revocations: writable(revocations),
    expires_at: instant(notAfterMs),
  };
}
