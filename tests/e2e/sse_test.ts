import assert from "node:assert/strict";
import { startStack, within } from "../support/stack.ts";

/** Events of the long run. */
const events = 10_000;
const encoder = new TextEncoder();

/** `id` of each event, as they come. */
async function* idsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<number> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) yield Number(/^id: (\d+)\ndata: event \1$/.exec(part)?.[1] ?? NaN);
  }
}

const event = (id: number) => encoder.encode(`id: ${id}\ndata: event ${id}\n\n`);
const headers = { "content-type": "text/event-stream", "cache-control": "no-cache" };

Deno.test("10,000 server-sent events arrive in order", async () => {
  await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    let next = 0;
    return new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(event(next++));
          if (next === events) controller.close();
        },
      }),
      { headers },
    );
  });
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const response = await stack.fetch("web");
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  let seen = 0;
  for await (const id of idsOf(response.body!)) assert.equal(id, seen++);
  assert.equal(seen, events);
});

Deno.test("no event waits for the next one: each is sent only when the viewer has answered the one before", async () => {
  const rounds = 1_000;
  let acknowledged = -1;
  let onAcknowledged = () => {};
  await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/seen/")) {
      acknowledged = Number(pathname.slice(6));
      onAcknowledged();
      return new Response(null, { status: 204 });
    }
    let next = 0;
    return new Response(
      new ReadableStream({
        async pull(controller) {
          while (acknowledged < next - 1) await new Promise<void>((resolve) => onAcknowledged = resolve);
          controller.enqueue(event(next++));
          if (next === rounds) controller.close();
        },
      }, { highWaterMark: 0 }),
      { headers },
    );
  });
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const run = async () => {
    const response = await stack.fetch("web");
    let seen = 0;
    for await (const id of idsOf(response.body!)) {
      assert.equal(id, seen++);
      await (await stack.fetch("web", `/seen/${id}`)).body?.cancel();
    }
    assert.equal(seen, rounds);
  };
  await within(60_000, "events and answers take turns", run(), stack.lines);
});
