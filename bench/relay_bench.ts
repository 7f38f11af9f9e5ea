/**
 * A private channel through the edge's relay, beside the plainest TCP proxy that there can be, which copies bytes. Endpoints
 * and what is between them share one process and thread: compare the two, and take neither as a speed.
 */
import { systemRandom, TcpStream, writeAll } from "../src/driver/mod.ts";
import { grantsOf, RelayEndpoint } from "../tests/support/relay_endpoint.ts";
import { startStack } from "../tests/support/stack.ts";

const hostname = "127.0.0.1";
/** Large and small records: what one holds at most, and what an exchange of messages is made of. */
const bulkBytes = 16 * 1_048_576;
const recordBytes = 65_535;
const smallBytes = 256;
const smallRecords = 4_096;
const echoBytes = 64;

/** The two ends of something that carries records. */
interface Ends {
  send(bytes: Uint8Array): Promise<void>;
  /** Takes so many bytes at the other end. */
  take(bytes: number): Promise<void>;
  /** There and back. */
  echo(bytes: Uint8Array): Promise<void>;
}

async function relayed(): Promise<Ends> {
  const stack = await startStack();
  const [client, server] = await RelayEndpoint.pair(await grantsOf(stack, { idleTimeoutSeconds: 3_600 }));
  return {
    send: (bytes) => client.send(bytes),
    async take(bytes) {
      for (let got = 0; got < bytes;) got += (await server.next()).length;
    },
    async echo(bytes) {
      await client.send(bytes);
      await server.send(await server.next());
      await client.next();
    },
  };
}

/** Joins each two connections that come in. */
async function proxied(): Promise<Ends> {
  const listener = Deno.listen({ hostname, port: 0 });
  const connect = async () => new TcpStream(await Deno.connect({ hostname, port: listener.addr.port }));
  const [client, a, server, b] = [
    await connect(),
    new TcpStream(await listener.accept()),
    await connect(),
    new TcpStream(await listener.accept()),
  ];
  const copy = async (from: TcpStream, to: TcpStream) => {
    const buffer = new Uint8Array(262_144);
    for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
      await writeAll(to, buffer.subarray(0, read));
    }
  };
  void copy(a, b);
  void copy(b, a);
  const buffer = new Uint8Array(262_144);
  const take = async (from: TcpStream, bytes: number) => {
    for (let got = 0; got < bytes;) got += await from.read(buffer) ?? bytes;
  };
  return {
    send: (bytes) => writeAll(client, bytes),
    take: (bytes) => take(server, bytes),
    async echo(bytes) {
      await writeAll(client, bytes);
      await take(server, bytes.length);
      await writeAll(server, bytes);
      await take(client, bytes.length);
    },
  };
}

async function bulk(ends: Ends, size: number, total: number): Promise<void> {
  const record = new Uint8Array(size);
  const taking = ends.take(total);
  for (let sent = 0; sent < total; sent += size) await ends.send(record);
  await taking;
}

const WAYS = [["relay", await relayed()], ["tcp proxy", await proxied()]] as const;
const echoed = systemRandom(echoBytes);
for (const [name, ends] of WAYS) {
  const baseline = name === "tcp proxy";
  Deno.bench(
    `64 KiB records, ${Math.round(bulkBytes / 1_048_576)} MiB: ${name}`,
    { group: "bulk", baseline },
    async () => {
      await bulk(ends, recordBytes, recordBytes * Math.floor(bulkBytes / recordBytes));
    },
  );
  Deno.bench(
    `${smallBytes} byte records, ${smallRecords}: ${name}`,
    { group: "small", baseline },
    async () => {
      await bulk(ends, smallBytes, smallBytes * smallRecords);
    },
  );
  Deno.bench(`${echoBytes} bytes there and back: ${name}`, { group: "echo", baseline }, async () => {
    await ends.echo(echoed);
  });
}
