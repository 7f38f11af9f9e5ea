import assert from "node:assert/strict";
import { sameSignalMs, stopSignalReader } from "../../cli/until_stopped.ts";

const module = new URL("../../cli/until_stopped.ts", import.meta.url).href;

/** A node that says what is asked of it; `drains` tells whether stopping ever ends, `starts` whether a signal ends its start. */
function program(drains: boolean, starts: boolean): string {
  return `
    import { untilStopped } from "${module}";
    const { promise, resolve } = Promise.withResolvers();
    const alive = setInterval(() => {}, 1000);
    const node = { finished: promise, stop: async () => { if (${drains}) resolve(); } };
    let now = 0;
    const signalled = Promise.withResolvers();
    const start = async () => {
      if (${starts}) {
        console.log("starting");
        await signalled.promise;
      }
      console.log("ready");
      return node;
    };
    await untilStopped(start, {
      stopping: () => { console.log("stopping"); signalled.resolve(); },
      cutShort: () => console.log("cut short"),
      reload: () => console.log("reload"),
    }, () => now += ${sameSignalMs});
    clearInterval(alive);
    console.log("finished");`;
}

/** Sends each signal after the line before it was printed; returns all lines and the exit code. */
async function run(
  drains: boolean,
  signals: readonly [after: string, signal: Deno.Signal][],
  { starts = false } = {},
) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", program(drains, starts)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines: string[] = [];
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    rest += text;
    while (rest.includes("\n")) {
      const line = rest.slice(0, rest.indexOf("\n"));
      rest = rest.slice(line.length + 1);
      lines.push(line);
      for (const [after, signal] of signals) if (after === line) child.kill(signal);
    }
  }
  return { lines, code: (await child.status).code };
}

Deno.test("untilStopped() drains on the first SIGTERM and reloads on SIGHUP", async () => {
  assert.deepEqual(await run(true, [["ready", "SIGHUP"], ["reload", "SIGTERM"]]), {
    lines: ["ready", "reload", "stopping", "finished"],
    code: 0,
  });
});

Deno.test("untilStopped() drains a node that a signal asked to stop before it had started", async () => {
  assert.deepEqual(await run(true, [["starting", "SIGTERM"]], { starts: true }), {
    lines: ["starting", "stopping", "ready", "finished"],
    code: 0,
  });
});

Deno.test("untilStopped() ends at once on the second signal", async () => {
  assert.deepEqual(await run(false, [["ready", "SIGINT"], ["stopping", "SIGTERM"]]), {
    lines: ["ready", "stopping", "cut short"],
    code: 130,
  });
});

Deno.test("stopSignalReader() takes signals that come at once for one: terminal and wrapper both send Ctrl-C", () => {
  let now = 1_000;
  const read = stopSignalReader(() => now);
  assert.equal(read(), "drain");
  assert.equal(read(), "nothing");
  now += sameSignalMs - 1;
  assert.equal(read(), "nothing");
  now += 1;
  assert.equal(read(), "end");
});
