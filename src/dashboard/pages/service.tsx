/** One service: who serves it, and what may be done about that. */
import { channelPage, hostnameOf } from "../../control/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { AgentBinding } from "../../ports/mod.ts";
import { doneParts } from "../done.tsx";
import { ActionForm, type Column, Facts, Id, Instant, Online, Panel, Table, Time } from "../parts.tsx";
import { live, still, type View, type Visit } from "../visit.ts";
import { Channels, hasOtherEdges, shownChannels, SilentEdges } from "./channels.tsx";

/** Throws `tunnel_not_found`. */
export async function service(visit: Visit): Promise<View> {
  const { deps: { control }, nowMs, query, params, csrf, mayOperate } = visit;
  const tunnel = await control.store.tunnel(params.tunnel_id);
  if (tunnel === undefined) {
    throw new PosternError("tunnel_not_found", "Cannot show service: there is none with this id");
  }
  const { tunnelId, name, owner, anonymous, protocol, publicPort, requireTier, rules } = tunnel;
  const [presence, agents, channels] = await Promise.all([
    control.presence(tunnelId),
    control.store.agentsOf(tunnelId),
    channelPage(control, shownChannels, undefined, { tunnelId }),
  ]);
  const columns: Column<AgentBinding>[] = [
    { title: "Agent", cell: ({ agentId }) => <Id id={agentId} /> },
    { title: "First proved itself", cell: ({ firstSeenMs }) => <Time ms={firstSeenMs} nowMs={nowMs} /> },
    { title: "Last proved itself", cell: ({ lastSeenMs }) => <Time ms={lastSeenMs} nowMs={nowMs} /> },
  ];
  return {
    title: name,
    hint: "service",
    states: { [`service ${name}`]: presence.status },
    parts: [
      ...doneParts(query),
      live(
        "state",
        <Panel id="state" title="Service">
          <div class="body">
            <Facts
              facts={[
                ["State", <Online isOnline={presence.status === "online"} />],
                ["Host name", hostnameOf(control, tunnel)],
                ["Protocol", publicPort === undefined ? protocol : `${protocol}, public port ${publicPort}`],
                ["Owner", anonymous ? "anonymous" : owner],
                ["Agents", requireTier === undefined ? "any agent" : "only agents with a TPM"],
                ["Rules", rules === undefined ? "none" : `revision ${rules.revision}`],
                ["Tunnel id", <code>{tunnelId}</code>],
                ["Made", <Instant ms={tunnel.createdAtMs} />],
              ]}
            />
          </div>
        </Panel>,
      ),
      live(
        "channels",
        <Panel id="channels" title="Live channels">
          <SilentEdges silent={channels.silent} />
          <Channels channels={channels.rows} nowMs={nowMs} hasOtherEdges={hasOtherEdges(control)} />
        </Panel>,
      ),
      live(
        "agents",
        <Panel id="agents" title="Agents" hint="that have proved themselves for this service">
          <Table caption="Agents" columns={columns} rows={agents} empty="No agent has come yet." />
        </Panel>,
      ),
      ...(mayOperate
        ? [still(
          "actions",
          <Panel id="actions" title="Drain">
            <div class="body">
              <p>
                Asks the agents of this service to end their channels in order. What is open goes on for 30
                seconds; an agent that still runs comes again.
              </p>
              <ActionForm action="/dashboard/services/drain" csrf={csrf} label="Drain this service">
                <input type="hidden" name="tunnel_id" value={tunnelId} />
                <button type="submit">Drain channels</button>
              </ActionForm>
            </div>
          </Panel>,
        )]
        : []),
    ],
  };
}
