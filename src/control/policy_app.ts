/** Handlers of the policy routes. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { instant } from "../bytes/mod.ts";
import { selectionOf, versionOf } from "../policy/mod.ts";
import type { ControlDeps } from "./config.ts";
import { bearerOf, type Headed, requireOperator } from "./credentials.ts";
import type { ControlEnv } from "./http.ts";
import {
  applyPolicy,
  learnFromMachines,
  listPolicies,
  type MachineOutcome,
  type PolicyFacts,
  policyNotFound,
  type PolicyVersionFacts,
  policyVersions,
} from "./policies.ts";
import { applyPolicyRoute, learnPolicyRoute, policiesRoute, policyRoute } from "./policy_routes.ts";

/** Machines that one answer describes, and that it names: it has to fit into what clients read. */
const maxToldMachines = 200;
const maxNamedMachines = 500;
/** PCRs of firmware and boot loader. */
const usualPcrs = [0, 1, 2, 3, 4, 5, 6, 7];

export function addPolicyRoutes(app: OpenAPIHono<ControlEnv>, deps: ControlDeps): void {
  const operator = (request: Headed) => requireOperator(deps, [bearerOf(request)]);

  app.openapi(policiesRoute, async (context) => {
    await operator(context.req);
    const policies = await listPolicies(deps);
    return context.json({ policies: policies.map(toldPolicy) }, 200);
  });

  app.openapi(policyRoute, async (context) => {
    await operator(context.req);
    const versions = await policyVersions(deps, context.req.valid("param").name);
    const { version = versions[0].policy.version } = context.req.valid("query");
    const shown = versions.find(({ policy }) => policy.version === version);
    if (shown === undefined) throw policyNotFound();
    return context.json({ policy: shown.policy, versions: versions.map(toldOf) }, 200);
  });

  app.openapi(applyPolicyRoute, async (context) => {
    const claims = await operator(context.req);
    const { policy: document, overlap_seconds = 0, dry_run = false } = context.req.valid("json");
    const { policy, changes, machines } = await applyPolicy(deps, claims, {
      document,
      overlapMs: overlap_seconds * 1_000,
      dryRun: dry_run,
    });
    const of = (outcome: MachineOutcome["outcome"]) => machines.filter((one) => one.outcome === outcome);
    const [fail, unknown, pass] = [of("fail"), of("unknown"), of("pass")];
    return context.json({
      policy_version: versionOf(policy),
      applied: !dry_run,
      changes: changes.map(({ what, removed, added }) => ({
        what,
        removed: [...removed],
        added: [...added],
      })),
      counts: { pass: pass.length, fail: fail.length, unknown: unknown.length },
      machines: [...fail, ...unknown, ...pass].slice(0, maxToldMachines).map((machine) => ({
        agent_id: machine.agentId,
        labels: [...machine.labels],
        before: machine.before,
        after: machine.after,
        outcome: machine.outcome,
        pcrs: [...machine.pcrs],
      })),
    }, 200);
  });

  app.openapi(learnPolicyRoute, async (context) => {
    await operator(context.req);
    const { name, agent_id, label, bank = "sha256", pcrs = usualPcrs, firmware = false } = context.req.valid(
      "json",
    );
    const { policy, learntFrom, passedOver } = await learnFromMachines(deps, {
      from: agent_id === undefined ? { label: label! } : { agentId: agent_id },
      name,
      selection: { bank, pcrs: [...new Set(pcrs)].sort((a, b) => a - b) },
      withFirmware: firmware,
    });
    return context.json({
      policy,
      learnt_from: learntFrom.slice(0, maxNamedMachines),
      passed_over: passedOver.slice(0, maxNamedMachines),
    }, 200);
  });
}

export function toldPolicy({ policy, machines, ...facts }: PolicyFacts) {
  return {
    name: policy.name,
    ...toldOf({ policy, ...facts }),
    ...selectionOf(policy),
    labels: [...policy.labels],
    firmware: policy.firmware !== undefined,
    retired: policy.retired ?? false,
    machines,
  };
}

function toldOf({ policy, appliedBy, appliedAtMs, overlapUntilMs }: PolicyVersionFacts) {
  return {
    version: policy.version,
    applied_by: appliedBy,
    applied_at: instant(appliedAtMs),
    ...(overlapUntilMs > appliedAtMs ? { overlap_until: instant(overlapUntilMs) } : {}),
  };
}
