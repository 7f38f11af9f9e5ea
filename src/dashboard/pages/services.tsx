/** Published services, and the channels that serve them. */
import { channelPage, hostnameOf, servicePage, type ServiceView } from "../../control/mod.ts";
import { type Column, Id, Online, Pages, Panel, Table, TierBadge, Time } from "../parts.tsx";
import { live, type View, type Visit } from "../visit.ts";
import { Channels, hasOtherEdges, SilentEdges } from "./channels.tsx";

/** Rows of each table. */
const rowsPerPage = 100;

export async function services({ deps: { control }, nowMs, query }: Visit): Promise<View> {
  const after = query.get("after") ?? undefined;
  const [page, channels] = await Promise.all([
    servicePage(control, rowsPerPage, after),
    channelPage(control, rowsPerPage, query.get("channels_after") ?? undefined),
  ]);
  const names = new Map(page.rows.map(({ tunnelId, name }) => [tunnelId, name]));
  for (const { tunnelId } of channels.rows) {
    if (!names.has(tunnelId)) names.set(tunnelId, (await control.store.tunnel(tunnelId))?.name ?? tunnelId);
  }
  const columns: Column<ServiceView>[] = [
    {
      title: "Service",
      cell: (service) => (
        <>
          <a href={`/dashboard/services/${encodeURIComponent(service.tunnelId)}`}>{service.name}</a>
          <span class="sub wrap">{hostnameOf(control, service)}</span>
        </>
      ),
    },
    { title: "State", cell: ({ presence }) => <Online isOnline={presence.status === "online"} /> },
    {
      title: "Protocol",
      cell: ({ protocol, publicPort }) =>
        publicPort === undefined ? protocol : `${protocol}, port ${publicPort}`,
    },
    { title: "Agents", isNumber: true, cell: ({ presence }) => presence.agents },
    {
      title: "Identity",
      cell: ({ presence, requireTier }) => (
        <>
          <span class="badges">
            {presence.tiers.length === 0
              ? <span class="quiet">none</span>
              : presence.tiers.map((tier) => <TierBadge tier={tier} />)}
          </span>
          {requireTier === undefined ? null : <span class="sub">a TPM is demanded</span>}
        </>
      ),
    },
    { title: "Owner", cell: ({ owner, anonymous }) => anonymous ? "anonymous" : <Id id={owner} /> },
    { title: "Last echo", cell: ({ presence }) => <Time ms={presence.lastEchoAtMs} nowMs={nowMs} /> },
    { title: "Made", cell: ({ createdAtMs }) => <Time ms={createdAtMs} nowMs={nowMs} /> },
  ];
  return {
    title: "Services",
    hint: "and live channels",
    states: Object.fromEntries(page.rows.map(({ name, presence }) => [`service ${name}`, presence.status])),
    parts: [
      live(
        "services",
        <Panel id="services" title="Services">
          <Table
            caption="Published services"
            columns={columns}
            rows={page.rows}
            empty={
              <>
                No service is published. <code>postern http 8080 --control</code>{" "}
                and the address of this edge publishes one.
              </>
            }
          />
          <Pages
            label="More services"
            first={after === undefined ? undefined : "/dashboard/services"}
            next={page.next && `/dashboard/services?after=${encodeURIComponent(page.next)}`}
            nextText="Further services"
          />
        </Panel>,
      ),
      live(
        "channels",
        <Panel id="channels" title="Live channels">
          <SilentEdges silent={channels.silent} />
          <Channels
            channels={channels.rows}
            nowMs={nowMs}
            names={names}
            hasOtherEdges={hasOtherEdges(control)}
          />
          <Pages
            label="More channels"
            first={query.has("channels_after") ? "/dashboard/services" : undefined}
            next={channels.next && `/dashboard/services?channels_after=${encodeURIComponent(channels.next)}`}
            nextText="Further channels"
          />
        </Panel>,
      ),
    ],
  };
}
