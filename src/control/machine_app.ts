/** Enrollment and machines over HTTP. */
import type { OpenAPIHono, z } from "@hono/zod-openapi";
import { describeEk } from "../attestation/ek/mod.ts";
import { instant, toBase64Url, toHex } from "../bytes/mod.ts";
import type { MachineKey, MachineRecord } from "../ports/mod.ts";
import { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { bearerOf, type Headed, requireOperator } from "./credentials.ts";
import { beginEnrollment, finishEnrollment } from "./enrollment.ts";
import {
  type EnrollmentTokenRequest,
  type IssuedEnrollmentToken,
  issueEnrollmentToken,
} from "./enrollment_token.ts";
import type { ControlEnv } from "./http.ts";
import {
  deleteMachineRoute,
  enrollBeginRoute,
  enrollFinishRoute,
  enrollmentTokenRoute,
  machineRoute,
  machinesRoute,
  restoreMachineRoute,
  revokeMachineRoute,
} from "./machine_routes.ts";
import type { enrollmentTokenRequestSchema } from "./machine_schemas.ts";
import { stateOf } from "./machine_state.ts";
import { deleteMachine, machineOf, machinePage, restoreMachine, revokeMachine } from "./machines.ts";

export function addMachineRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  const budget = new AuditBudget(deps.clock.now.bind(deps.clock));
  const operatorOf = async (request: Headed, token?: string) =>
    (await requireOperator(deps, [token, bearerOf(request)])).sub;

  app.openapi(enrollmentTokenRoute, async (context) => {
    const request = context.req.valid("json");
    const operator = await operatorOf(context.req, request.management_token);
    const issued = await issueEnrollmentToken(deps, operator, wantedToken(request));
    return context.json({ token: issued.token, ...toldToken(issued) }, 200);
  });

  app.openapi(enrollBeginRoute, async (context) => {
    const request = context.req.valid("json");
    const begun = await beginEnrollment({ ...deps, budget }, request.token, {
      ekCertificates: request.ek_certificates,
      ekTemplate: request.ek_template,
      ekPublic: request.ek_public,
      akPublic: request.ak_public,
    });
    return context.json({
      enrollment_id: begun.enrollmentId,
      agent_id: begun.agentId,
      credential_blob: toBase64Url(begun.credentialBlob),
      encrypted_secret: toBase64Url(begun.encryptedSecret),
      nonce: toBase64Url(begun.nonce),
      expires_at: instant(begun.expiresAtMs),
    }, 200);
  });

  app.openapi(enrollFinishRoute, async (context) => {
    const { enrollment_id, proof } = context.req.valid("json");
    const { agentId, labels } = await finishEnrollment({ ...deps, budget }, enrollment_id, proof);
    return context.json({ agent_id: agentId, labels: [...labels], tier: "tpm" as const }, 200);
  });

  app.openapi(machinesRoute, async (context) => {
    await operatorOf(context.req);
    const { limit, after } = context.req.valid("query");
    const { machines, next } = await machinePage(deps, limit, after);
    return context.json(
      { machines: machines.map(toldMachine), ...(next === undefined ? {} : { next }) },
      200,
    );
  });

  app.openapi(machineRoute, async (context) => {
    await operatorOf(context.req);
    const machine = await machineOf(deps, context.req.valid("param").agent_id);
    return context.json({
      ...toldMachine(machine),
      ...tpmOf(machine),
      ek_certificate: toBase64Url(machine.ekCertificate),
      ak_public: toBase64Url(machine.akPublic),
    }, 200);
  });

  app.openapi(revokeMachineRoute, async (context) => {
    const request = context.req.valid("json");
    const operator = await operatorOf(context.req, request.management_token);
    const { agentId, already } = await revokeMachine(deps, operator, keyOf(request), request.reason);
    return context.json({ revoked: true as const, agent_id: agentId, already }, 200);
  });

  app.openapi(restoreMachineRoute, async (context) => {
    const request = context.req.valid("json");
    const operator = await operatorOf(context.req, request.management_token);
    const agentId = await restoreMachine(deps, operator, keyOf(request));
    return context.json({ restored: true as const, agent_id: agentId }, 200);
  });

  app.openapi(deleteMachineRoute, async (context) => {
    const request = context.req.valid("json");
    const operator = await operatorOf(context.req, request.management_token);
    await deleteMachine(deps, operator, request.agent_id);
    return context.json({ deleted: true as const, agent_id: request.agent_id }, 200);
  });
}

/** What a request asks for; the schema has made sure that role and id go together. */
export function wantedToken(
  { labels, ek_sha256, role, id, ttl_seconds, wrap_to }: z.infer<typeof enrollmentTokenRequestSchema>,
): EnrollmentTokenRequest {
  return {
    labels,
    ekSha256: ek_sha256,
    ...(role === undefined || id === undefined ? {} : { node: { role, id } }),
    ttlSeconds: ttl_seconds,
    ...(wrap_to === undefined ? {} : { wrapTo: wrap_to }),
  };
}

/** All but the token. */
export function toldToken({ tokenId, labels, ekSha256, node, expiresAtMs }: IssuedEnrollmentToken) {
  return {
    token_id: tokenId,
    ...(labels === undefined ? {} : { labels: [...labels] }),
    ...(ekSha256 === undefined ? {} : { ek_sha256: ekSha256 }),
    ...(node === undefined ? {} : { role: node.role, id: node.id }),
    expires_at: instant(expiresAtMs),
  };
}

/** The schema has made sure that it is one of them. */
function keyOf({ agent_id, ek_sha256 }: { agent_id?: string; ek_sha256?: string }): MachineKey {
  return ek_sha256 === undefined ? { agentId: agent_id! } : { ekSha256: ek_sha256 };
}

export function toldMachine(machine: MachineRecord) {
  const { agentId, ekSha256, akName, labels, state, enrolledAtMs, revoked } = machine;
  const verdict = stateOf(machine)?.verdict;
  return {
    agent_id: agentId,
    ek_sha256: ekSha256,
    ak_name: toHex(akName),
    labels: [...labels],
    state,
    enrolled_at: instant(enrolledAtMs),
    ...(revoked === undefined ? {} : { revoked_at: instant(revoked.atMs), reason: revoked.reason }),
    ...(verdict === undefined ? {} : {
      attestation: {
        result: verdict.result,
        purpose: verdict.purpose,
        policy_version: verdict.policy,
        at: instant(verdict.at),
      },
    }),
  };
}

/** The manufacturer's words. */
function tpmOf({ ekCertificate }: MachineRecord) {
  const described = describeEk(ekCertificate);
  if (described === undefined) return {};
  const { certificateSha256, notAfterMs, ...words } = described;
  return { tpm: { ...words, certificate_sha256: certificateSha256, expires_at: instant(notAfterMs) } };
}
