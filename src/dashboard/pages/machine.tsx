/** One machine: what its TPM is, what it showed, what it is judged under, and whether it is let in. */
import { describeEk } from "../../attestation/ek/mod.ts";
import { toHex } from "../../bytes/mod.ts";
import { channelPage, machineOf, stateOf } from "../../control/mod.ts";
import type { MachineRecord } from "../../ports/mod.ts";
import { doneParts } from "../done.tsx";
import {
  ActionForm,
  Badge,
  type Column,
  Facts,
  Field,
  Instant,
  Note,
  Panel,
  Table,
  Time,
} from "../parts.tsx";
import { live, still, type View, type ViewPart, type Visit } from "../visit.ts";
import { Channels, hasOtherEdges, shownChannels, SilentEdges } from "./channels.tsx";
import { Labels, LastQuote } from "./machines.tsx";

/** Throws `machine_unknown`. */
export async function machine(visit: Visit): Promise<View> {
  const { deps: { control }, nowMs, params, query } = visit;
  const record = await machineOf(control, params.agent_id);
  const [inForce, channels] = await Promise.all([
    control.policyOf(record.agentId),
    channelPage(control, shownChannels, undefined, { agentId: record.agentId }),
  ]);
  const { agentId, ekSha256, akName, labels, revoked, enrolledAtMs } = record;
  const state = stateOf(record);
  const names = new Map<string, string>();
  for (const { tunnelId } of channels.rows) {
    names.set(tunnelId, (await control.store.tunnel(tunnelId))?.name ?? tunnelId);
  }
  return {
    title: "Machine",
    hint: <code class="wrap">{agentId}</code>,
    states: { machine: record.state },
    parts: [
      ...doneParts(query),
      ...(revoked === undefined ? [] : [live(
        "revoked",
        <Note tone="bad">
          <strong>Revoked</strong> <Time ms={revoked.atMs} nowMs={nowMs} />: {revoked.reason}
        </Note>,
      )]),
      live(
        "facts",
        <div class="columns">
          <Panel id="verdict" title="Attestation">
            <div class="body">
              <Facts
                facts={[
                  ["Last quote", <LastQuote machine={record} nowMs={nowMs} />],
                  ["Judged under", inForce.accepted.join(", ")],
                  ["Labels", <Labels labels={labels} />],
                  ["Enrolled", <Instant ms={enrolledAtMs} />],
                  ...(state?.clock === undefined ? [] : [
                    [
                      "Starts of the TPM",
                      `${state.clock.resetCount} resets, ${state.clock.restartCount} restarts`,
                    ] as const,
                  ]),
                  ...(state === undefined
                    ? []
                    : [["Firmware", <code>{state.shown.firmware}</code>] as const]),
                ]}
              />
              {state?.failed === undefined ? null : (
                <Note tone="bad">
                  <Badge tone="bad">{state.failed}</Badge>{" "}
                  It is refused on every open channel until a new channel's quote is accepted.
                </Note>
              )}
            </div>
          </Panel>
          <Panel id="keys" title="Keys">
            <div class="body">
              <Facts
                facts={[
                  ["Endorsement key", <code>{ekSha256}</code>],
                  ["Attestation key", <code>{toHex(akName)}</code>],
                  ...makerFacts(record),
                ]}
              />
            </div>
          </Panel>
        </div>,
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
        </Panel>,
      ),
      live("pcrs", <Shown record={record} nowMs={nowMs} />),
      ...actions(visit, record),
    ],
  };
}

/** The manufacturer's words. */
function makerFacts({ ekCertificate }: MachineRecord) {
  const described = describeEk(ekCertificate);
  if (described === undefined) return [["Maker", "the certificate does not say"] as const];
  const { manufacturer, vendor, model, version, serial, notAfterMs } = described;
  return [
    ["Maker", `${vendor ?? manufacturer}, ${model}, ${version}`] as const,
    ["Certificate", <code>{serial}</code>] as const,
    ["It ends", <Instant ms={notAfterMs} />] as const,
  ];
}

function Shown({ record, nowMs }: { record: MachineRecord; nowMs: number }) {
  const shown = stateOf(record)?.shown;
  if (shown === undefined) return null;
  const rows = Object.entries(shown.values).sort(([a], [b]) => Number(a) - Number(b));
  const columns: Column<typeof rows[number]>[] = [
    { title: "PCR", cell: ([pcr]) => pcr },
    { title: "Value", cell: ([, value]) => <code class="wrap">{value}</code> },
  ];
  return (
    <Panel
      id="pcrs"
      title="PCRs"
      hint={
        <>
          {shown.bank}, shown <Time ms={shown.at} nowMs={nowMs} />
        </>
      }
    >
      <Table caption="Values of PCRs" isSmall columns={columns} rows={rows} empty="None were quoted." />
    </Panel>
  );
}

function actions({ csrf, mayOperate }: Visit, { agentId, state }: MachineRecord): ViewPart[] {
  if (!mayOperate) return [];
  const hidden = <input type="hidden" name="agent_id" value={agentId} />;
  const revoke = (
    <Panel id="actions" title="Revoke">
      <div class="body">
        <p>Cuts the machine's channels at once, and keeps it out until it is restored.</p>
        <ActionForm action="/dashboard/machines/revoke" csrf={csrf} label="Revoke this machine">
          {hidden}
          <div class="row">
            <Field id="reason" label="Reason" hint="For the audit log.">
              <input id="reason" name="reason" required maxlength={200} aria-describedby="reason-hint" />
            </Field>
          </div>
          <p>
            <button type="submit" class="bad">Revoke machine</button>
          </p>
        </ActionForm>
      </div>
    </Panel>
  );
  const restore = (
    <Panel id="actions" title="Restore or forget">
      <div class="body">
        <p>
          Restored, it may come again as it is now. Forgotten, it takes no place any more, and its TPM stays
          revoked.
        </p>
        <div class="row">
          <ActionForm action="/dashboard/machines/restore" csrf={csrf} label="Restore this machine">
            {hidden}
            <button type="submit">Restore machine</button>
          </ActionForm>
          <ActionForm action="/dashboard/machines/delete" csrf={csrf} label="Forget this machine">
            {hidden}
            <button type="submit" class="bad">Forget machine</button>
          </ActionForm>
        </div>
      </div>
    </Panel>
  );
  return [still("actions", state === "revoked" ? restore : revoke)];
}
