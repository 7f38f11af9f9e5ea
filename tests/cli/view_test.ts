import assert from "node:assert/strict";
import type { AgentStatus } from "../../agent/status.ts";
import type { Terminal } from "../../cli/terminal.ts";
import { createView, liveView, minRedrawMs, plainView } from "../../cli/view/view.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

function recording(live: boolean): { terminal: Terminal; writes: string[] } {
  const writes: string[] = [];
  const terminal: Terminal = {
    out: (text) => writes.push(text),
    err: (text) => writes.push(text),
    live,
    color: false,
    columns: () => 60,
  };
  return { terminal, writes };
}

function statusIn(state: AgentStatus["state"], requests = 0): AgentStatus {
  const service = {
    name: "web",
    protocol: "http" as const,
    url: "http://web.localhost:8080",
    target: "127.0.0.1:3000",
    state: "online" as const,
    requests,
    bytes_in: 0,
    bytes_out: 0,
  };
  return {
    role: "agent",
    control: "http://127.0.0.1:8080",
    agent_id: "agent-1",
    tier: "bound-key",
    version: "0.1.0",
    recent: [],
    state,
    edge: null,
    rtt_ms: null,
    since: 0,
    services: state === "online" ? [service] : [],
  };
}

/** What stays on the screen after the writes: understands just the sequences that the view may use. */
function screenOf(writes: readonly string[]): string[] {
  const lines = [""];
  let row = 0;
  for (const text of writes) {
    // deno-lint-ignore no-control-regex -- terminal sequences are what is read
    for (const part of text.match(/\x1b\[\d*A|\x1b\[J|\x1b\[\?25[lh]|\r|\n|[^\x1b\r\n]+/g) ?? []) {
      if (part === "\n") {
        row++;
        lines[row] ??= "";
      } else if (part.endsWith("A")) row -= Number(part.slice(2, -1));
      else if (part === "\x1b[J") lines.splice(row, Infinity, "");
      else if (part !== "\r" && !part.startsWith("\x1b")) lines[row] += part;
    }
  }
  return lines;
}

Deno.test("liveView() redraws in place and leaves one block behind", () => {
  const clock = new VirtualClock(0);
  const { terminal, writes } = recording(true);
  const view = liveView(terminal, clock);
  view.update(statusIn("connecting"));
  clock.advance(minRedrawMs);
  view.update(statusIn("online", 1));
  clock.advance(5000);
  view.update(statusIn("online", 2));
  view.close();
  assert.deepEqual(screenOf(writes), [
    "postern  online for 5s",
    "identity  bound-key (weaker: no TPM)",
    "",
    "http http://web.localhost:8080  online",
    "     -> 127.0.0.1:3000",
    "     requests 2   in 0 B   out 0 B",
    "",
  ]);
});

Deno.test("liveView() draws at most four times a second, and the last status is not lost", () => {
  const clock = new VirtualClock(0);
  const { terminal, writes } = recording(true);
  const view = liveView(terminal, clock);
  for (let i = 0; i < 1000; i++) {
    view.update(statusIn("online", i));
    clock.advance(1);
  }
  const draws = writes.filter((text) => text.includes("requests")).length;
  assert.ok(draws >= 4 && draws <= 5, `${draws} draws`);
  clock.advance(minRedrawMs);
  assert.match(screenOf(writes).join("\n"), /requests 999/);
  view.close();
});

Deno.test("liveView() hides the cursor, gives it back on close, and writes nothing afterwards", () => {
  const clock = new VirtualClock(0);
  const { terminal, writes } = recording(true);
  const view = liveView(terminal, clock);
  view.update(statusIn("online"));
  assert.equal(writes[0], "\x1b[?25l");
  view.close();
  assert.ok(writes.at(-1)?.endsWith("\x1b[?25h"));
  const { length } = writes;
  view.close();
  view.update(statusIn("failed"));
  clock.advance(10_000);
  assert.equal(writes.length, length);
});

Deno.test("liveView() never touches the cursor when nothing was drawn", () => {
  const { terminal, writes } = recording(true);
  const view = liveView(terminal, new VirtualClock(0));
  view.line("a log line\n");
  view.close();
  assert.deepEqual(writes, ["a log line\n"]);
});

Deno.test("liveView() keeps log lines above the block", () => {
  const clock = new VirtualClock(0);
  const { terminal, writes } = recording(true);
  const view = liveView(terminal, clock);
  view.update(statusIn("connecting"));
  view.line("first\n");
  view.line("second\n");
  view.close();
  assert.deepEqual(screenOf(writes), [
    "first",
    "second",
    "postern  connecting for 0s",
    "identity  bound-key (weaker: no TPM)",
    "",
    "",
  ]);
});

Deno.test("plainView() writes a line when something changed, without terminal sequences", () => {
  const { terminal, writes } = recording(false);
  const view = plainView(terminal);
  view.update(statusIn("connecting"));
  view.update(statusIn("reconnecting"));
  view.update(statusIn("reconnecting"));
  view.update(statusIn("authorizing"));
  view.update({ ...statusIn("online", 1), edge: "edge-1" });
  view.update({ ...statusIn("online", 2), edge: "edge-1" });
  view.close();
  assert.deepEqual(writes, [
    "identity bound-key (weaker: no TPM)\n",
    "reconnecting\n",
    "online (edge-1)\n",
    "online http://web.localhost:8080 -> 127.0.0.1:3000\n",
  ]);
});

Deno.test("createView() redraws only on a terminal, and not when plain lines are asked for", () => {
  for (const [live, plain] of [[false, false], [true, true]]) {
    const { terminal, writes } = recording(live);
    const view = createView(terminal, new VirtualClock(0), plain);
    view.update(statusIn("reconnecting"));
    assert.deepEqual(writes, ["identity bound-key (weaker: no TPM)\n", "reconnecting\n"]);
  }
});
