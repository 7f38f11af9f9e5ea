/** What `postern http` shows while it runs: a block redrawn in place on a terminal, plain lines elsewhere. */
import type { AgentStatus } from "../../agent/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import type { Terminal } from "../terminal.ts";
import { tierText } from "./amount.ts";
import { renderStatus } from "./render.ts";

/** 4 Hz: faster than one can read, slow enough to cost nothing. */
export const minRedrawMs = 250;

export interface View {
  /** Shows a newer status, soon. */
  update(status: AgentStatus): void;
  /** Writes one log line (with its line break) without disturbing what is drawn. */
  line(text: string): void;
  /** Shows the last status and gives the terminal back. Idempotent. */
  close(): void;
}

const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
/** To the first column, then clear to the end of the screen. */
const clearBelow = "\r\x1b[J";

/** Redraws in place on standard error. */
export function liveView(terminal: Terminal, clock: Clock): View {
  let drawn = 0;
  let latest: AgentStatus | undefined;
  let cancel: (() => void) | undefined;
  let nextDrawMs = -Infinity;
  let open = true;

  const erase = () => (drawn > 0 ? `\x1b[${drawn}A` : "") + clearBelow;
  const block = () => {
    if (latest === undefined) return "";
    // One column stays free: a full line would wrap and be counted wrongly.
    const lines = renderStatus(latest, {
      columns: terminal.columns() - 1,
      color: terminal.color,
      now: clock.wall(),
    });
    drawn = lines.length;
    return `${lines.join("\n")}\n`;
  };
  const draw = () => {
    cancel?.();
    cancel = undefined;
    nextDrawMs = clock.now() + minRedrawMs;
    terminal.err(erase() + block());
    // Times in the block go on while nothing else happens.
    if (open) cancel = clock.schedule(clock.now() + 1000, draw);
  };

  return {
    update(status) {
      if (!open) return;
      if (latest === undefined) terminal.err(hideCursor);
      latest = status;
      cancel?.();
      cancel = undefined;
      if (clock.now() >= nextDrawMs) draw();
      else cancel = clock.schedule(nextDrawMs, draw);
    },
    line(text) {
      if (latest === undefined || !open) return terminal.err(text);
      const cleared = erase();
      terminal.err(cleared + text + block());
    },
    close() {
      if (!open) return;
      open = false;
      cancel?.();
      if (latest !== undefined) terminal.err(erase() + block() + showCursor);
    },
  };
}

/** Steps on the way to a channel: over before one has read them. */
const passing: ReadonlySet<AgentStatus["state"]> = new Set(["connecting", "handshaking", "authorizing"]);

/** Writes a line when the state or an address changes. */
export function plainView(terminal: Terminal): View {
  let state = "";
  let isNamed = false;
  const services = new Map<string, string>();
  return {
    update(status) {
      if (!isNamed) {
        isNamed = true;
        terminal.err(`identity ${tierText(status.tier)}\n`);
      }
      if (status.state !== state && !passing.has(status.state)) {
        state = status.state;
        terminal.err(escapeControls(status.edge === null ? state : `${state} (${status.edge})`) + "\n");
      }
      for (const { name, url, target, state: serviceState } of status.services) {
        if (serviceState === "pending") continue;
        const text = `${serviceState} ${url ?? name} -> ${target}`;
        const key = `${name} ${target}`;
        if (services.get(key) === text) continue;
        services.set(key, text);
        terminal.err(`${escapeControls(text)}\n`);
      }
    },
    line: (text) => terminal.err(text),
    close() {},
  };
}

/** The view that suits the terminal. */
export function createView(terminal: Terminal, clock: Clock, plain: boolean): View {
  return terminal.live && !plain ? liveView(terminal, clock) : plainView(terminal);
}
