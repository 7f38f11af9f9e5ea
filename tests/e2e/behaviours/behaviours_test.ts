/** HTTP through the tunnel is HTTP at the origin: each row is seen both ways by the same viewer, and compared. */
import assert from "node:assert/strict";
import { startStack, within } from "../../support/stack.ts";
import { type Behaviour, BehaviourOrigin } from "./behaviour.ts";
import { CONNECTIONS } from "./connections.ts";
import { MESSAGES } from "./messages.ts";

const rowMs = 20_000;

/** Runs each row as a step; only those whose name holds `ROW`, when that is set. */
async function compare(
  rows: readonly Behaviour[],
  step: (name: string, run: () => Promise<void>) => Promise<unknown>,
): Promise<void> {
  const only = Deno.env.get("ROW") ?? "";
  await using origin = new BehaviourOrigin();
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.port}`, host_header: "original" }],
  });
  for (const row of rows) {
    if (!row.name.includes(only)) continue;
    await step(row.name, async () => {
      const host = stack.host("web");
      const direct = await within(rowMs, `${row.name}, directly`, origin.watch(row, origin.port, host));
      const tunnelled = await within(
        rowMs,
        `${row.name}, tunnelled`,
        origin.watch(row, stack.port, host),
        stack.lines,
      );
      assert.deepEqual(tunnelled, { ...direct, ...row.differs?.seen(direct) });
      if (row.differs === undefined) return;
      assert.notDeepEqual(
        tunnelled,
        direct,
        "the difference is gone: take it out of the row and docs/http.md",
      );
    });
  }
  assert.deepEqual(origin.errors, []);
}

Deno.test("docs/http.md names every difference that a row has, and no other", async () => {
  const text = await Deno.readTextFile(new URL("../../../docs/http.md", import.meta.url));
  const [, table] = text.split("## What is different");
  const named = [...table.matchAll(/^\| `([a-z0-9-]+)`/gm)].map(([, key]) => key);
  const used = [...MESSAGES, ...CONNECTIONS].flatMap(({ differs, http2 }) =>
    [differs, typeof http2 === "string" ? undefined : http2].flatMap((difference) => difference?.key ?? [])
  );
  assert.deepEqual(named.toSorted(), [...new Set(used)].toSorted());
});

Deno.test("messages are the same through the tunnel as at the origin", async (t) => {
  await compare(MESSAGES, (name, run) => t.step(name, run));
});

Deno.test("connections behave through the tunnel as at the origin", async (t) => {
  await compare(CONNECTIONS, (name, run) => t.step(name, run));
});
