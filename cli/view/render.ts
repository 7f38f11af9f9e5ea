/** An agent's status as lines of text. Pure. */
import type { AgentStatus, ServiceStatus } from "../../agent/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import { bytesText, elapsedText, millisecondsText, tierText } from "./amount.ts";

export interface RenderOptions {
  /** No line is longer. */
  readonly columns: number;
  readonly color: boolean;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Most services that are listed; the rest is counted. */
const maxListed = 20;
/** Most requests that are listed. */
const maxRecent = 8;

const green = 32;
const yellow = 33;
const red = 31;

/** What a service's `requests` are. */
const counted = { http: "requests", tcp: "connections", tls: "connections", udp: "flows" } as const;

type Tone = typeof green | typeof yellow | typeof red;

const tones: Readonly<Record<AgentStatus["state"] | ServiceStatus["state"], Tone>> = {
  connecting: yellow,
  handshaking: yellow,
  authorizing: yellow,
  online: green,
  revalidating: green,
  degraded: yellow,
  reconnecting: yellow,
  draining: yellow,
  closed: red,
  failed: red,
  pending: yellow,
  offline: red,
  refused: red,
};

/** The lines, without line breaks; every one fits the columns and holds nothing but printable text and colors. */
export function renderStatus(status: AgentStatus, options: RenderOptions): string[] {
  const line = (tone: Tone | undefined, text: string, painted = text) => {
    const printable = escapeControls(text);
    const cut = clip(printable, options.columns);
    if (tone === undefined || !options.color) return cut;
    const at = cut.indexOf(painted);
    return at < 0
      ? cut
      : `${cut.slice(0, at)}\x1b[${tone}m${painted}\x1b[0m${cut.slice(at + painted.length)}`;
  };
  const edge = [status.edge, status.rtt_ms === null ? null : millisecondsText(status.rtt_ms)].filter((part) =>
    part !== null
  );
  const isOver = status.state === "closed" || status.state === "failed";
  const head = `postern  ${status.state}${isOver ? "" : ` for ${elapsedText(options.now - status.since)}`}`;
  const identity = status.tier === undefined ? [] : [line(undefined, `identity  ${tierText(status.tier)}`)];
  const lines = [
    line(tones[status.state], edge.length > 0 ? `${head}  (${edge.join(", ")})` : head, status.state),
    ...identity,
    "",
  ];
  for (const service of status.services.slice(0, maxListed)) {
    lines.push(
      line(
        tones[service.state],
        `${service.protocol.padEnd(5)}${service.url ?? (service.name || "no name yet")}  ${service.state}`,
        service.state,
      ),
      line(undefined, `     -> ${service.target}`),
      line(
        undefined,
        `     ${counted[service.protocol]} ${service.requests}` +
          `   in ${bytesText(service.bytes_in)}   out ${bytesText(service.bytes_out)}`,
      ),
    );
  }
  if (status.services.length > maxListed) {
    lines.push(line(undefined, `and ${status.services.length - maxListed} more`));
  }
  if (status.recent.length > 0) {
    lines.push("", line(undefined, "recent requests"));
    for (const { service, method, path, status: code, ms } of status.recent.slice(0, maxRecent)) {
      const where = status.services.length > 1 ? `${service}  ` : "";
      lines.push(
        line(
          code >= 500 ? red : undefined,
          `  ${code}  ${where}${method} ${path}  ${millisecondsText(ms)}`,
          String(code),
        ),
      );
    }
  }
  if (status.last_error !== undefined) {
    const { code, message, at } = status.last_error;
    lines.push(
      "",
      line(red, `last error ${elapsedText(options.now - at)} ago: ${code}`, code),
      line(undefined, `  ${message}`),
    );
  }
  return lines;
}

function clip(text: string, columns: number): string {
  const chars = [...text];
  return chars.length <= columns ? text : `${chars.slice(0, Math.max(0, columns - 1)).join("")}…`;
}
