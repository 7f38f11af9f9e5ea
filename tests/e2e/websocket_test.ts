import assert from "node:assert/strict";
import { curl } from "../support/curl.ts";
import { Chromium } from "../support/chromium.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";

const MiB = 1_048_576;

/** Echoes; the text "close 4001 why" closes with that code and reason. */
function startEcho(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    if (request.headers.get("upgrade") !== "websocket") {
      return new Response("<!doctype html>", { headers: { "content-type": "text/html" } });
    }
    const { socket, response } = Deno.upgradeWebSocket(request, {
      protocol: request.headers.get("sec-websocket-protocol") ?? undefined,
    });
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const order = /^close (\d+) (.*)$/.exec(typeof data === "string" ? data : "");
      if (order !== null) socket.close(Number(order[1]), order[2]);
      else socket.send(data);
    };
    socket.onclose = ({ code, reason }) => closings.push(`${code} ${reason}`);
    return response;
  });
}
/** Code and reason of each socket's end, as the origin saw it. */
const closings: string[] = [];

/** Runs in the page: a socket to the page's own host, and what is awaited of it. */
const inPage = `
  const open = (protocols = []) => new Promise((resolve, reject) => {
    const socket = new WebSocket("ws://" + location.host + "/ws", protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error("the socket failed"));
  });
  const answerTo = (socket, data) => new Promise((resolve) => {
    socket.onmessage = (event) => resolve(event.data);
    socket.send(data);
  });
  const closed = (socket) => new Promise((resolve) => {
    socket.onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]);
  });
`;

/** Evaluates the body of an async function in a page of the service, in Chromium. */
async function evaluate(stack: Stack, body: string): Promise<unknown> {
  await using browser = await Chromium.start();
  const page = await browser.open(stack.url("web", "/"));
  return await page.evaluate(`(async () => { ${inPage} ${body} })()`);
}

Deno.test("WebSocket text and binary messages up to 16 MiB come back as they were sent", async () => {
  await using origin = startEcho();
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const result = await evaluate(
    stack,
    `
    const socket = await open(["chat"]);
    if (socket.protocol !== "chat") return "protocol " + socket.protocol;
    for (const text of ["", "hello", "Grüße, 世界", "x".repeat(70_000)]) {
      if (await answerTo(socket, text) !== text) return "text differs: " + text.slice(0, 20);
    }
    for (const bytes of [1, 125, 126, 65_535, 65_536, ${MiB}, ${16 * MiB}]) {
      const sent = new Uint8Array(bytes).map((_, at) => at * 7 + (at >> 8));
      const back = new Uint8Array(await answerTo(socket, sent));
      if (back.length !== bytes || !back.every((byte, at) => byte === sent[at])) return bytes + " bytes differ";
    }
    socket.close();
    return await closed(socket);`,
  );
  assert.deepEqual(result, [1005, "", true]);
});

Deno.test("close codes and reasons pass in both directions", async () => {
  await using origin = startEcho();
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  closings.length = 0;
  const result = await evaluate(
    stack,
    `
    const first = await open();
    first.send("close 4001 enough");
    const byOrigin = await closed(first);
    const second = await open();
    second.close(4002, "bye");
    return [byOrigin, await closed(second)];`,
  );
  assert.deepEqual(result, [[4001, "enough", true], [4002, "bye", true]]);
  await eventually("the origin sees both ends", () => closings.length === 2);
  assert.deepEqual(closings.toSorted(), ["4001 enough", "4002 bye"]);
});

Deno.test("many WebSockets at once keep their messages apart", async () => {
  await using origin = startEcho();
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const result = await evaluate(
    stack,
    `
    const run = async (who) => {
      const socket = await open();
      for (let n = 0; n < 20; n++) {
        const said = who + "/" + n;
        if (await answerTo(socket, said) !== said) throw new Error("another one's message");
      }
      socket.close();
      return await closed(socket);
    };
    const ends = await Promise.all(Array.from({ length: 20 }, (_, who) => run(who)));
    return ends.filter(([code, , clean]) => code === 1005 && clean).length;`,
  );
  assert.equal(result, 20);
});

Deno.test("an upgrade that the origin declines is answered by the origin", async () => {
  await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response("not here", { status: 403 });
  });
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const answer = await curl(stack.url("web"), {
    args: ["--header", "Connection: Upgrade", "--header", "Upgrade: websocket", "--http1.1"],
  });
  assert.deepEqual([answer.status, answer.text], [403, "not here"]);
});
