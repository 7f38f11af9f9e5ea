/** JSON of what administrators see and do. */
import { z } from "@hono/zod-openapi";
import { protocolSchema, tierSchema } from "../../identity/mod.ts";
import { policyNameSchema } from "../../policy/mod.ts";
import { machineSchema } from "../machine_schemas.ts";
import { policyFactsSchema } from "../policy_schemas.ts";
import { instantSchema } from "../schemas.ts";
import { maxAdminPage } from "./views.ts";

// Schemas get `.openapi` when they are made, not when they are imported: those of identity are made anew here.
const protocol = z.enum(protocolSchema.options);
const tier = z.enum(tierSchema.options);
const status = z.enum(["ONLINE", "OFFLINE"]).openapi({
  description: "ONLINE: an echo of it came back within 30 seconds.",
});
const limit = z.coerce.number().int().min(1).max(maxAdminPage).optional();
const after = z.string().min(1).max(256).optional().openapi({ description: "Go on after this one." });
const next = z.string().optional().openapi({
  description: "Pass it as `after` for what follows; absent at the end.",
});
const detail = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

export const pageQuerySchema = z.object({ limit, after });

const totals = z.object({ total: z.int(), online: z.int(), offline: z.int() });
const auditEntry = z.object({
  id: z.int(),
  at: instantSchema,
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  outcome: z.string().openapi({ description: "ok, or the code of the refusal." }),
  detail,
});

const edgeId = z.string().min(1).max(128);
const silentEdges = z.array(z.string()).openapi({
  description: "Edges that are in service, and did not answer in time: nothing of them is told.",
});
const edge = z.object({
  edge_id: edgeId,
  version: z.string(),
  drained: z.boolean().openapi({ description: "No agents are sent to it." }),
  channels: z.int(),
  online: z.int(),
  streams: z.int(),
});

export const overviewResponseSchema = z.object({
  connectors: totals,
  tunnelers: totals,
  channels: totals.openapi({ description: "Of all edges." }),
  edges: z.array(edge),
  silent_edges: silentEdges,
  activity: z.array(auditEntry).openapi({
    description: "The newest lines of the audit log, the newest first.",
  }),
}).openapi("AdminOverviewResponse");

const node = {
  id: z.string(),
  version: z.string(),
  status,
  last_seen: instantSchema,
  first_seen: instantSchema,
};

export const connectorsResponseSchema = z.object({
  connectors: z.array(z.object({ ...node, private_ip: z.string().optional() })),
  next,
}).openapi("ConnectorsResponse");

export const tunnelersResponseSchema = z.object({
  tunnelers: z.array(z.object({ ...node, connector_id: z.string().optional() })),
  next,
}).openapi("TunnelersResponse");

export const servicesResponseSchema = z.object({
  services: z.array(z.object({
    tunnel_id: z.string(),
    name: z.string(),
    public_hostname: z.string(),
    owner: z.string(),
    anonymous: z.boolean(),
    protocol,
    public_port: z.int().optional(),
    require_tier: tier.optional(),
    status,
    agents: z.int().openapi({ description: "Agents that serve it now." }),
    tiers: z.array(tier),
    last_echo_at: instantSchema.optional(),
    created_at: instantSchema,
  })),
  next,
}).openapi("ServicesResponse");

export const sessionsQuerySchema = z.object({
  limit,
  after,
  tunnel_id: z.string().min(1).max(128).optional(),
  agent_id: z.string().min(1).max(128).optional(),
});

export const sessionsResponseSchema = z.object({
  sessions: z.array(z.object({
    session_id: z.string(),
    edge_id: z.string(),
    tunnel_id: z.string(),
    agent_id: z.string(),
    tier,
    state: z.string(),
    status,
    rtt_ms: z.number(),
    since: instantSchema,
    last_echo_at: instantSchema.optional(),
    attestation: z.enum(["passed", "asked", "deferred"]).optional(),
    reauth_deadline: instantSchema.optional().openapi({
      description: "By when the agent has to have proved itself again; absent: it is not asked.",
    }),
    streams: z.int(),
    requests: z.int(),
    bytes_in: z.number(),
    bytes_out: z.number(),
    remote: z.string(),
  })),
  silent_edges: silentEdges,
  next,
}).openapi("AdminSessionsResponse");

export const adminMachinesResponseSchema = z.object({ machines: z.array(machineSchema), next }).openapi(
  "AdminMachinesResponse",
);

export const adminPoliciesResponseSchema = z.object({ policies: z.array(policyFactsSchema) }).openapi(
  "AdminPoliciesResponse",
);

export const policyDiffParamsSchema = z.object({
  name: z.string().refine((text) => policyNameSchema.safeParse(text).success, {
    error: "must be the name of a policy",
  }).openapi({ param: { name: "name", in: "path" } }),
});
const version = z.coerce.number().int().min(1).optional();
export const policyDiffQuerySchema = z.object({
  from: version.openapi({ description: "Version to compare with; the one before `to` when absent." }),
  to: version.openapi({ description: "The newest when absent." }),
});

export const policyDiffResponseSchema = z.object({
  name: z.string(),
  from: z.int().optional().openapi({ description: "Absent: there was none before." }),
  to: z.int(),
  changes: z.array(z.object({
    what: z.string().openapi({ example: "PCR 7" }),
    removed: z.array(z.string()),
    added: z.array(z.string()),
  })),
}).openapi("PolicyDiffResponse");

export const revocationsResponseSchema = z.object({
  revocations: z.array(z.object({
    kind: z.enum(["token", "family", "owner", "ek", "node", "certificate", "key"]),
    id: z.string().openapi({
      description:
        "Of the token or family, its owner, SHA-256 of the EK or key, SPIFFE id, or serial number.",
    }),
    owner: z.string().optional().openapi({ description: "Of tokens." }),
    reason: z.string().optional(),
    severity: z.enum(["drain", "cut"]).optional().openapi({
      description: "Of nodes: whether open streams may end.",
    }),
    by: z.string().optional(),
    revoked_at: instantSchema,
    kept_until: instantSchema.optional().openapi({ description: "Absent: until it is taken back." }),
  })),
  next,
}).openapi("AdminRevocationsResponse");

export const adminAuditQuerySchema = z.object({
  limit,
  before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().openapi({
    description: "Only lines that are older than the one with this id.",
  }),
});

export const adminAuditResponseSchema = z.object({
  entries: z.array(auditEntry).openapi({ description: "The newest first." }),
  next: z.int().optional().openapi({
    description: "Pass it as `before` for what follows; absent at the end.",
  }),
}).openapi("AdminAuditResponse");

export const versionsResponseSchema = z.object({
  edge: z.string().openapi({ description: "Version of the edge that answers." }),
  edges: z.array(z.object({ edge_id: edgeId, version: z.string() })).openapi({
    description: "Of all edges that answer.",
  }),
  silent_edges: silentEdges,
  nodes: z.array(z.object({
    role: z.enum(["connector", "tunneler"]),
    version: z.string(),
    nodes: z.int(),
    online: z.int(),
  })).openapi({ description: "What connectors and tunnelers run, as they say." }),
}).openapi("VersionsResponse");

export const drainRequestSchema = z.object({
  agent_id: z.string().min(1).max(128).optional(),
  tunnel_id: z.string().min(1).max(128).optional(),
  edge_id: edgeId.optional().openapi({
    description:
      "All channels of the edge, to which no agents are sent any more until it is resumed or restarted.",
  }),
  deadline_seconds: z.int().min(0).max(3_600).optional().openapi({
    description: "How long open streams may go on; 30 when absent.",
  }),
}).refine(
  ({ agent_id, tunnel_id, edge_id }) =>
    [agent_id, tunnel_id, edge_id].filter((one) => one !== undefined).length === 1,
  { error: "needs one of agent_id, tunnel_id and edge_id" },
).openapi("DrainRequest");

export const drainResponseSchema = z.object({
  channels: z.int().openapi({ description: "Channels that end." }),
  edges: z.array(z.object({ edge_id: edgeId, channels: z.int() })).openapi({
    description: "Each edge that answered, with how many channels it ends.",
  }),
  silent_edges: silentEdges,
}).openapi("DrainResponse");

export const resumeRequestSchema = z.object({ edge_id: edgeId }).openapi("ResumeRequest");
export const resumeResponseSchema = z.object({ edge_id: edgeId, silent_edges: silentEdges }).openapi(
  "ResumeResponse",
);
