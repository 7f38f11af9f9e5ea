/** Authorities over HTTP. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { der, instant } from "../bytes/mod.ts";
import { chainOfPem, isAccepted } from "../pki/mod.ts";
import { adminAuthority } from "./admin/mod.ts";
import { endingWarnings } from "./authority_expiry.ts";
import { advanceRotation, rotationView, startRotation } from "./ca_rotation.ts";
import { importIssuing, requestIssuing } from "./ca_request.ts";
import { caRoute, importCaRoute, requestCaRoute, rotateCaRoute } from "./ca_routes.ts";
import type { ControlDeps } from "./config.ts";
import type { ControlEnv } from "./http.ts";

export function addCaRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  const requireAdmin = adminAuthority(deps);

  app.openapi(caRoute, async (context) => {
    await requireAdmin(context, "viewer");
    return context.json(await told(deps), 200);
  });

  app.openapi(rotateCaRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    const { what } = context.req.valid("json");
    await deps.identities.refresh(0);
    if (deps.identities.state.rotation === undefined) await startRotation(deps, actor, what);
    else await advanceRotation(deps);
    return context.json(await told(deps), 200);
  });

  app.openapi(requestCaRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    const request = await requestIssuing(deps, actor);
    return context.json({ request: der.toPem("CERTIFICATE REQUEST", request) }, 200);
  });

  app.openapi(importCaRoute, async (context) => {
    const { actor } = await requireAdmin(context, "operator");
    await importIssuing(deps, actor, certificateOf(context.req.valid("json").certificate));
    return context.json(await told(deps), 200);
  });
}

/** PEM, or whatever else was sent: then it is refused by its code. */
function certificateOf(pem: string): Uint8Array {
  return chainOfPem(pem)[0];
}

async function told(deps: ControlDeps) {
  const view = await rotationView(deps);
  const { bundle, bootstrapPin, trustDomain, issuer, state } = deps.identities;
  const nowMs = deps.clock.wall();
  const authority = ({ certificate, acceptedFromMs, acceptedUntilMs }: typeof bundle.roots[number]) => ({
    sha256: certificate.sha256,
    serial: certificate.serial,
    expires_at: instant(certificate.notAfterMs),
    accepted_from: instant(acceptedFromMs),
    ...(acceptedUntilMs === undefined ? {} : { accepted_until: instant(acceptedUntilMs) }),
  });
  return {
    trust_domain: trustDomain,
    bundle_version: bundle.version,
    bootstrap_sha256: bootstrapPin,
    roots: bundle.roots.map(authority),
    issuing: bundle.issuers.map((one) => ({
      ...authority(one),
      issues: state.current.includes(one.certificate.sha256) && isAccepted(one, nowMs),
      here: one.certificate.sha256 === issuer?.sha256,
    })),
    root_key_here: view.hasRootKey,
    warnings: endingWarnings(state, nowMs, deps.config.identity.expiryWarningMs).map((
      { code, kind, sha256, endsAtMs },
    ) => ({ code, kind, sha256, expires_at: instant(endsAtMs) })),
    nodes: view.nodes,
    ...(view.rotation === undefined ? {} : {
      rotation: {
        id: view.rotation.id,
        what: view.rotation.what,
        stage: view.rotation.stage,
        from: view.rotation.from,
        to: view.rotation.to,
        started_at: instant(view.rotation.started_at_ms),
        started_by: view.rotation.started_by,
        activate_at: instant(view.rotation.activate_at_ms),
        nodes_left: view.nodesLeft ?? 0,
      },
    }),
  };
}
