/** What follows from what control does: here, at the other edges of the database, and in the metrics. */
import type { ControlEvents } from "./control/mod.ts";
import type { EdgePlane } from "./edge/mod.ts";
import { codeOf } from "./errors/mod.ts";
import type { FellowEdges } from "./fellow_edges.ts";
import type { NodePort } from "./node_port.ts";
import type { Log } from "./ports/mod.ts";
import type { StateDirectory } from "./state_directory.ts";
import type { Metrics } from "./telemetry/mod.ts";

export interface ControlEventParts {
  /** Asked for when something happens: control is made before them. */
  readonly edge: () => EdgePlane;
  readonly fellows: () => FellowEdges;
  readonly nodes: NodePort;
  readonly state: Pick<StateDirectory, "writeBootstrap">;
  readonly metrics: Metrics;
  readonly log: Log;
  /** As `FellowEdgesOptions.onTokensRevoked`. */
  readonly onTokensRevoked: (owner: string | undefined) => void;
}

export function controlEvents(
  { edge, fellows, nodes, state, metrics, log, onTokensRevoked }: ControlEventParts,
): ControlEvents {
  return {
    onTunnelDeleted(tunnelId) {
      edge().cutTunnel(tunnelId, "tunnel_deleted");
      fellows().announce({ kind: "tunnels_cut", tunnelIds: [tunnelId], code: "tunnel_deleted" });
    },
    onRevoked(owner, tunnelIds) {
      for (const tunnelId of tunnelIds) edge().cutTunnel(tunnelId, "token_revoked");
      fellows().announce({ kind: "tunnels_cut", tunnelIds, code: "token_revoked" });
      fellows().announce({ kind: "tokens_revoked", owner });
      onTokensRevoked(owner);
    },
    onMachineRevoked(agentId) {
      edge().cutAgent(agentId);
      fellows().announce({ kind: "machine_revoked", agentId });
    },
    onRulesChanged(tunnelId, rules) {
      edge().holdRules(tunnelId, rules);
      void fellows().checkAttached(tunnelId);
      fellows().announce({ kind: "rules_changed", tunnelId });
    },
    onTierRequired(tunnelId) {
      edge().cutWeaker(tunnelId);
      fellows().announce({ kind: "tier_required", tunnelId });
    },
    onAttestationFailed(tunnelId, agentId) {
      edge().cutFailed(tunnelId, agentId);
      fellows().announce({ kind: "attestation_failed", tunnelId, agentId });
    },
    onNodeTrustChanged() {
      void nodes.changed();
      fellows().announce({ kind: "node_trust_changed" });
    },
    onAuthoritiesEnd(endings) {
      metrics.authorityEnds.reset();
      for (const { kind, endsAtMs } of endings.toSorted((a, b) => b.endsAtMs - a.endsAtMs)) {
        metrics.authorityEnds.set({ kind }, endsAtMs / 1_000); // the earliest of a kind stays
      }
    },
    onIdentity: (step, result) => metrics.identities.inc({ step, result }),
    onAdministrator: () =>
      void state.writeBootstrap(undefined).catch((error) =>
        log("warn", "used link not removed", { code: codeOf(error) })
      ),
    onTokenIssued: (kind) => metrics.tokensIssued.inc({ kind }),
    onTokenJudged: (result) => metrics.tokensJudged.inc({ result }),
    onGrant: (step, result) => metrics.grants.inc({ step, result }),
    onEnrollment: (result) => metrics.enrollments.inc({ result }),
    onEvidenceJudged: (result, tier) => metrics.attestations.inc({ result, tier }),
  };
}
