/** Verdicts on tokens, for edges that share no database with control. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { PosternError } from "../errors/mod.ts";
import { audit } from "./audit.ts";
import { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { bearerOf } from "./credentials.ts";
import type { ControlEnv } from "./http.ts";
import { answers, bearer, body } from "./route_parts.ts";
import { judgeToken, SpentAtEdges, type TokenVerdict } from "./token_verdict.ts";

/** Of one edge, at most one line of the audit in this time says that it asks; each refusal is one besides. */
const auditEveryMs = 3_600_000;

const requestSchema = z.object({
  token: z.string().min(1).max(16_384).openapi({ description: "A stage 0 or stage 1 token." }),
}).openapi("TokenVerdictRequest");

const responseSchema = z.object({
  valid: z.boolean(),
  claims: z.record(z.string(), z.unknown()).optional().openapi({ description: "Of a valid token." }),
  error: z.string().optional().openapi({
    description: "Of one that is not: a code, or unknown_issuer or unknown_key where control has no opinion.",
  }),
}).openapi("TokenVerdict");

export const verifyTokenRoute = createRoute({
  method: "post",
  path: "/v1/tokens/verify",
  summary: "Judge a token of an agent, for an edge elsewhere that has a credential",
  tags: ["Tokens"],
  security: bearer,
  request: { body: body(requestSchema) },
  responses: answers("The verdict as of now.", responseSchema),
});

export function addVerdictRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  const budget = new AuditBudget(deps.clock.now.bind(deps.clock));
  const spent = new SpentAtEdges(deps.store);
  const told = new Map<string, number>();

  app.openapi(verifyTokenRoute, async (context) => {
    const credentials = deps.verifierCredentials?.();
    if (credentials === undefined) {
      throw new PosternError("endpoint_not_found", "Cannot serve request: there is no such endpoint");
    }
    const shown = bearerOf(context.req);
    const edge = shown === undefined ? undefined : credentials.nameOf(shown);
    if (edge === undefined) {
      deps.events.onTokenJudged?.("verifier_credential_refused");
      if (budget.take()) await auditVerdict("unproven", "verifier_credential_refused");
      throw new PosternError("verifier_credential_refused", "Cannot judge token: the credential is nobody's");
    }
    const verdict = await judgeToken({ ...deps, spent }, edge, context.req.valid("json").token);
    deps.events.onTokenJudged?.(verdict.valid ? "ok" : verdict.error);
    await note(edge, verdict);
    return context.json(
      verdict.valid ? { valid: true, claims: { ...verdict.claims } } : { valid: false, error: verdict.error },
      200,
    );
  });

  async function note(edge: string, verdict: TokenVerdict): Promise<void> {
    if (!verdict.valid) {
      // An edge passes on what strangers bring.
      if (budget.take()) await auditVerdict(`edge/${edge}`, verdict.error);
      return;
    }
    const hour = Math.floor(deps.clock.wall() / auditEveryMs);
    if (told.get(edge) === hour) return;
    told.set(edge, hour);
    await auditVerdict(`edge/${edge}`, "ok");
  }

  async function auditVerdict(actor: string, outcome: string): Promise<void> {
    await audit(deps, {
      actor,
      action: "token.verify",
      subject: "token",
      outcome,
    });
  }
}
