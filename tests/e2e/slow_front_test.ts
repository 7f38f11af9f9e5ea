/** Connections that never get as far as a request cost bounded memory and time, whatever they begin with. */
import assert from "node:assert/strict";
import { connect as connectSocket, type Socket } from "node:net";
import { proxyHeader } from "../../src/wire/proxy_protocol/mod.ts";
import { openSslHello } from "../driver/tls/openssl_hello.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { flat } from "../support/resident.ts";
import { eventually, metricOf } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";

const MiB = 1_048_576;
/** Most that each process may grow: what its heap takes before it is tidied up. */
const growthBytes = 64 * MiB;
const crowd = 200;
const drops = 20;

Deno.test("silence, dripping ClientHellos and PROXY headers, and handshakes that stop are all ended by their codes; others are served", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    for (;;) {
      await socket.through("\r\n\r\n");
      await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  await using stack = await StackProcesses.start({
    services: [{ name: "web", target: origin.target }],
    edge: {
      "limits.max_connections_per_address": "2000",
      "timeouts.peek": "2s",
      "timeouts.tls_handshake": "2s",
      proxy_protocol_from: "127.0.0.9",
    },
  });
  const served = async () => {
    for (let n = 0; n < 5; n++) assert.equal(await (await stack.fetch("web")).text(), "ok");
  };
  const refusals = async () => {
    const text = (await stack.ask(stack.edgeAdminPort, "/metrics"))?.body ?? "";
    return (code: string) => metricOf(text, `postern_refusals_total{code="${code}",layer="listener"}`);
  };
  const hello = await openSslHello("-servername", "localhost", "-alpn", "http/1.1");
  const header = proxyHeader({ host: "203.0.113.7", port: 1 }, { host: "198.51.100.1", port: 443 });
  const connect = (count: number) =>
    Promise.all(Array.from({ length: count }, () => RawClient.connect(stack.port)));
  await served();
  await flat(stack, growthBytes, async () => {
    const [silent, hellos, stopped] = await Promise.all([connect(crowd), connect(crowd), connect(crowd)]);
    try {
      for (const viewer of stopped) await viewer.send(hello);
      for (let drop = 0; drop < drops; drop++) {
        for (const viewer of hellos) await viewer.send(hello.subarray(drop, drop + 1)).catch(() => {});
      }
      await served();
      for (const viewer of [...silent, ...hellos]) assert.equal(await viewer.rest(), "");
      for (const viewer of stopped) assert.notEqual(await viewer.rest(), "");
    } finally {
      for (const viewer of [...silent, ...hellos, ...stopped]) viewer[Symbol.dispose]();
    }
    await eventually("every connection is refused", async () => {
      const count = await refusals();
      return count("peek_timeout") === crowd && count("tls_timeout") === 2 * crowd;
    });
    await served();
  });
  await using proxies = await DrippingProxies.start(
    stack.port,
    "127.0.0.9",
    crowd,
    header.subarray(0, drops),
  );
  await served();
  assert.equal(await proxies.ended, crowd);
  await eventually(
    "every proxy is refused",
    async () => (await refusals())("proxy_header_timeout") === crowd,
  );
  await served();
});

/** Connections from an address that `Deno.connect` cannot choose, by node:net. */
class DrippingProxies implements AsyncDisposable {
  /** How many the edge has ended. */
  readonly ended: Promise<number>;
  readonly #sockets: readonly Socket[];

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets;
    this.ended = Promise.all(
      sockets.map((socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()))),
    ).then((all) => all.length);
  }

  static async start(port: number, from: string, count: number, bytes: Uint8Array): Promise<DrippingProxies> {
    const sockets = Array.from(
      { length: count },
      () => connectSocket({ host: "127.0.0.1", port, localAddress: from }),
    );
    for (const socket of sockets) socket.on("error", () => {}).resume();
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    for (const byte of bytes) for (const socket of sockets) socket.write(Uint8Array.of(byte));
    return new DrippingProxies(sockets);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }
}
