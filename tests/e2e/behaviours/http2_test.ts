/** A viewer of HTTP/2 sees what a viewer of HTTP/1.1 sees at the origin, in the terms of HTTP/2. */
import assert from "node:assert/strict";
import { startStack, within } from "../../support/stack.ts";
import { BehaviourOrigin, type Seen } from "./behaviour.ts";
import { Http2Viewer } from "./http2_viewer.ts";
import { MESSAGES } from "./messages.ts";
import type { Field, Message, Wire } from "./wire.ts";

const rowMs = 20_000;

Deno.test("messages over HTTP/2 are the same through the tunnel as over HTTP/1.1 at the origin", async (t) => {
  const only = Deno.env.get("ROW") ?? "";
  await using origin = new BehaviourOrigin();
  await using stack = await startStack({
    edge: { h2c_from: "127.0.0.1/32" },
    services: [{ name: "web", target: `127.0.0.1:${origin.port}`, host_header: "original" }],
  });
  for (const row of MESSAGES) {
    if (typeof row.http2 === "string" || !row.name.includes(only)) continue;
    const difference = row.http2 ?? row.differs;
    await t.step(row.name, async () => {
      const host = stack.host("web");
      const once = { ...row, probe: false };
      const direct = await within(rowMs, `${row.name}, directly`, origin.watch(once, origin.port, host));
      const over2 = (port: number) => Promise.resolve(new Http2Viewer(port) as unknown as Wire);
      const tunnelled = await within(
        rowMs,
        `${row.name}, over HTTP/2`,
        origin.watch(once, stack.port, host, over2),
        stack.lines,
      );
      assert.deepEqual(inTerms(tunnelled), inTerms({ ...direct, ...difference?.seen(direct) }));
    });
  }
});

/** Names in lower case, and in the order of names: pseudo-fields and cookies have places of their own. */
function inTerms(seen: Seen): unknown {
  const message = (note: unknown) => {
    if (note === null || typeof note !== "object" || !("fields" in note)) return note;
    const { fields, trailers } = note as Message;
    return { ...note, fields: sorted(fields), trailers: sorted(trailers) };
  };
  return { viewer: seen.viewer.map(message), origin: seen.origin.map(message) };
}

function sorted(fields: readonly Field[]): Field[] {
  const lower = fields.map(([name, value]): Field => [name.toLowerCase(), value]);
  return lower.toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
