/** What tests of attested machines publish, and what they look for. */
import type { AttestedStack } from "../support/attested_stack.ts";
import type { LoggedLine, Settings } from "../support/stack.ts";

/** Longest wait for something that has to happen; nothing is asserted about how long it took. */
export const soonMs = 60_000;
export const FROM_MACHINE = "from the machine";

type Origin = Deno.HttpServer<Deno.NetAddr> & Disposable;

/** Answers with {@link FROM_MACHINE}, on `/endless` with a body that does not end by itself. */
export function startEndlessOrigin(): Origin {
  const endless = () => new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1)) });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => new Response(request.url.endsWith("/endless") ? endless() : FROM_MACHINE),
  );
  return Object.assign(server, { [Symbol.dispose]: () => void server.shutdown() });
}

/** The service `web`. */
export function serviceOf(origin: Origin): Settings[] {
  return [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }];
}

export interface OpenStream {
  /** Resolves when somebody else than the test ends it. */
  readonly cut: Promise<void>;
  isCut(): boolean;
}

/** Asks for a body that does not end by itself. */
export async function openStream(attested: AttestedStack): Promise<OpenStream> {
  const response = await attested.stack.fetch("web", "/endless");
  const reader = response.body!.getReader();
  await reader.read();
  let isCut = false;
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  const cut = drain().catch(() => {}).then(() => {
    isCut = true;
  });
  return { cut, isCut: () => isCut };
}

export function established(attested: AttestedStack): LoggedLine[] {
  return attested.stack.lines.filter(({ event }) => event === "channel established");
}

export function reattested(attested: AttestedStack): LoggedLine[] {
  return attested.stack.lines.filter(({ event }) => event === "re-authentication succeeded");
}
