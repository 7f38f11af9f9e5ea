import assert from "node:assert/strict";
import type { DatagramNetwork, DatagramSocket } from "../../src/driver/mod.ts";
import { DatagramReader, frameDatagram, MAX_DATAGRAM_BYTES } from "../../src/wire/mod.ts";
import { type EdgeStream, openTunnel, until } from "./fake_edge.ts";

/** A socket whose datagrams and failures the test makes. */
class ScriptedSocket implements DatagramSocket {
  readonly addr: Deno.Addr = { transport: "udp", hostname: "127.0.0.1", port: 1 };
  readonly sent: { payload: Uint8Array; to: Deno.NetAddr }[] = [];
  sendError: Error | undefined;
  closed = false;
  #waiting: PromiseWithResolvers<[Uint8Array, Deno.Addr]> | undefined;

  receive(): Promise<[Uint8Array, Deno.Addr]> {
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }
  send(payload: Uint8Array, to: Deno.NetAddr): Promise<number> {
    if (this.sendError !== undefined) return Promise.reject(this.sendError);
    this.sent.push({ payload, to });
    return Promise.resolve(payload.length);
  }
  close(): void {
    this.closed = true;
    this.fail(new Deno.errors.Interrupted("closed"));
  }
  /** A datagram arrives. */
  deliver(payload: Uint8Array, hostname = "127.0.0.1", port = 53): void {
    this.#waiting?.resolve([payload, { transport: "udp", hostname, port }]);
  }
  fail(error: Error): void {
    this.#waiting?.reject(error);
  }
}

class ScriptedNetwork implements DatagramNetwork {
  readonly sockets: ScriptedSocket[] = [];
  readonly bound: string[] = [];
  addresses: string[] = [];
  lookups = 0;
  bindError: Error | undefined;

  bind({ hostname }: { hostname: string }): DatagramSocket {
    if (this.bindError !== undefined) throw this.bindError;
    this.bound.push(hostname);
    const socket = new ScriptedSocket();
    this.sockets.push(socket);
    return socket;
  }
  lookup(): Promise<string[]> {
    this.lookups++;
    return this.addresses.length === 0
      ? Promise.reject(new Error("no such name"))
      : Promise.resolve(this.addresses);
  }
}

/** The datagrams that came to the edge so far. */
function datagramsOf(stream: EdgeStream): Uint8Array[] {
  const found: Uint8Array[] = [];
  const bytes = stream.received;
  new DatagramReader().push(bytes, 0, bytes.length, (payload) => found.push(payload.slice()));
  return found;
}

const publish = (network: DatagramNetwork, host = "127.0.0.1") =>
  openTunnel({ protocol: "udp", target: { host, port: 53 } }, {}, network);

Deno.test("a udp flow has a socket of its own towards the target, closed with the flow", async () => {
  const origin = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = origin.addr as Deno.NetAddr;
  const tunnel = await openTunnel({ protocol: "udp", target: { host: "127.0.0.1", port } });
  const streams = [1, 2].map((byte) => tunnel.edge.open("udp").send(frameDatagram(Uint8Array.of(byte))));
  tunnel.edge.wake();
  const buffer = new Uint8Array(100);
  const from: number[] = [];
  for (const _ of streams) {
    const [payload, sender] = await origin.receive(buffer);
    from.push((sender as Deno.NetAddr).port);
    await origin.send(payload.slice(), sender);
  }
  assert.notEqual(from[0], from[1]);
  await until(() => streams.every((stream) => stream.bytes === 3), "both answers");
  assert.deepEqual(streams.map((stream) => [...datagramsOf(stream)[0]]), [[1], [2]]);
  assert.equal(tunnel.service.udpFlows, 2);
  for (const { stream } of streams) stream.reset("idle_timeout");
  tunnel.edge.wake();
  await until(() => tunnel.service.udpFlows === 0, "the end of the flows");
  assert.deepEqual([...tunnel.service.datagrams.flows], [["answered", 2]]);
  assert.deepEqual([tunnel.service.bytesIn, tunnel.service.bytesOut, tunnel.service.requests], [2, 2, 2]);
  origin.close();
  await tunnel.close();
});

Deno.test("a udp flow goes on when nothing listens at the target, and counts it: origin_refused", async () => {
  const network = new ScriptedNetwork();
  const tunnel = await publish(network);
  const stream = tunnel.edge.open("udp").send(frameDatagram(Uint8Array.of(1)));
  tunnel.edge.wake();
  await until(() => network.sockets[0]?.sent.length === 1, "the first datagram");
  const [socket] = network.sockets;
  const { drops } = tunnel.service.datagrams;
  socket.fail(new Deno.errors.ConnectionRefused("refused"));
  await until(() => drops.get("origin_refused") === 1, "the refusal");
  socket.sendError = new Deno.errors.ConnectionRefused("refused");
  stream.send(frameDatagram(Uint8Array.of(2)));
  tunnel.edge.wake();
  await until(() => drops.get("origin_refused") === 2, "the second refusal");
  socket.sendError = undefined;
  stream.send(frameDatagram(Uint8Array.of(3)));
  tunnel.edge.wake();
  await until(() => socket.sent.length === 2, "the next datagram");
  socket.deliver(Uint8Array.of(4));
  await until(() => stream.bytes === 3, "the answer");
  assert.equal(stream.reset, undefined);
  await tunnel.close();
  assert.ok(socket.closed);
});

Deno.test("a udp flow takes answers of the target only, and none that is too long: unwanted, oversize", async () => {
  const network = new ScriptedNetwork();
  const tunnel = await publish(network);
  const stream = tunnel.edge.open("udp").send(frameDatagram(Uint8Array.of(1)));
  tunnel.edge.wake();
  await until(() => network.sockets[0]?.sent.length === 1, "the first datagram");
  const [socket] = network.sockets;
  const { drops } = tunnel.service.datagrams;
  socket.deliver(Uint8Array.of(1), "127.0.0.2");
  await until(() => drops.get("unwanted") === 1, "the first drop");
  socket.deliver(Uint8Array.of(1), "127.0.0.1", 54);
  await until(() => drops.get("unwanted") === 2, "the second drop");
  socket.deliver(new Uint8Array(65_536));
  await until(() => drops.get("oversize") === 1, "the third drop");
  socket.deliver(new Uint8Array(MAX_DATAGRAM_BYTES));
  await until(() => stream.bytes === 2 + MAX_DATAGRAM_BYTES, "the answer");
  await tunnel.close();
});

Deno.test("a udp flow whose socket fails again and again is given up: origin_reset", async () => {
  const network = new ScriptedNetwork();
  const tunnel = await publish(network);
  const stream = tunnel.edge.open("udp").send(frameDatagram(Uint8Array.of(1)));
  tunnel.edge.wake();
  await until(() => network.sockets[0]?.sent.length === 1, "the first datagram");
  for (let n = 1; n <= 16; n++) {
    network.sockets[0].fail(new Deno.errors.NetworkUnreachable("unreachable"));
    await until(() => tunnel.service.datagrams.drops.get("send_failed") === n, `failure ${n}`);
  }
  assert.equal((await stream.done()).reset, "origin_reset");
  assert.equal(tunnel.service.udpFlows, 0);
  await tunnel.close();
});

Deno.test("a udp flow for which no socket is left is refused, and the next one is not: stream_limit", async () => {
  const network = new ScriptedNetwork();
  network.bindError = new Error("too many open files");
  const tunnel = await publish(network);
  assert.equal((await tunnel.edge.open("udp").done()).reset, "stream_limit");
  network.bindError = undefined;
  tunnel.edge.open("udp").send(frameDatagram(Uint8Array.of(1)));
  tunnel.edge.wake();
  await until(() => network.sockets[0]?.sent.length === 1, "the datagram");
  await tunnel.close();
});

Deno.test("a target's name is asked for once for many flows, again after 30 s, and what came meanwhile is sent", async () => {
  const network = new ScriptedNetwork();
  network.addresses = ["198.51.100.3", "198.51.100.4"];
  const tunnel = await publish(network, "db.example");
  const open = () => {
    tunnel.edge.open("udp").send(frameDatagram(Uint8Array.of(7)));
    tunnel.edge.wake();
  };
  open();
  open();
  await until(() => network.sockets.length === 2 && network.sockets.every(({ sent }) => sent.length === 1));
  assert.equal(network.lookups, 1);
  assert.deepEqual(network.sockets[0].sent[0].to, { transport: "udp", hostname: "198.51.100.3", port: 53 });
  assert.deepEqual(network.bound, ["0.0.0.0", "0.0.0.0"]);
  open();
  await until(() => network.sockets.length === 3);
  assert.equal(network.lookups, 1);
  await tunnel.clock.advanceAsync(9_000); // within the heartbeat, the name's age included
  await tunnel.close();
});

Deno.test("a target whose name has no address refuses its flows: origin_refused", async () => {
  const tunnel = await publish(new ScriptedNetwork(), "nowhere.example");
  assert.equal((await tunnel.edge.open("udp").done()).reset, "origin_refused");
  await tunnel.close();
});

Deno.test("a socket towards a target on this machine is bound to loopback: nobody else can reach it", async () => {
  const network = new ScriptedNetwork();
  for (const [host, local] of [["127.0.0.9", "127.0.0.1"], ["::1", "::1"], ["2001:db8::1", "::"]]) {
    const tunnel = await publish(network, host);
    tunnel.edge.open("udp");
    tunnel.edge.wake();
    await until(() => network.bound.at(-1) === local, local);
    await tunnel.close();
  }
});
