/** The service that the demo publishes: a page, an echo, an event stream and a WebSocket. */
import { escapeHtml } from "../../src/http1/mod.ts";

/** Serves on a free loopback port. */
export function startOrigin(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/":
        return page(request);
      case "/echo":
        return new Response(request.body, { headers: { "content-type": "application/octet-stream" } });
      case "/events":
        return events();
      case "/ws":
        return webSocketEcho(request);
      default:
        return new Response("There is nothing here.\n", { status: 404 });
    }
  });
}

function page(request: Request): Response {
  const rows = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-postern-client-ip",
    "x-request-id",
  ]
    .map((name) => `<tr><th>${name}</th><td>${escapeHtml(request.headers.get(name) ?? "")}</td></tr>`).join(
      "",
    );
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Hello through Postern</title>
<style>body{font:16px system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}th{text-align:left;padding-right:1rem}</style>
<h1>Hello through Postern</h1>
<p>This page comes from a service on a private port, through an agent, an encrypted channel and an edge.</p>
<table>${rows}</table></html>
`;
  return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
}

/** Five events, one every 50 ms. */
function events(): Response {
  let sent = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(() => {
        controller.enqueue(new TextEncoder().encode(`data: ${++sent}\n\n`));
        if (sent < 5) return;
        clearInterval(timer);
        controller.close();
      }, 50);
    },
    cancel: () => clearInterval(timer),
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
  });
}

function webSocketEcho(request: Request): Response {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return new Response("This is a WebSocket.\n", { status: 426, headers: { upgrade: "websocket" } });
  }
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = (event) => socket.send(event.data);
  return response;
}
