/** Two agents and one edge: a private service from end to end, over real sockets. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { agentDefaults } from "../../src/config/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { connectPrivate } from "../../src/mod.ts";
import type { LogFields } from "../../src/ports/mod.ts";
import {
  type ConnectOptions,
  type RunningConnect,
  startConnect,
  type Stdio,
} from "../../agent/private/mod.ts";
import { eventually, type Settings, startStack, within } from "../support/stack.ts";
import { Process } from "../support/process.ts";
import { TcpTap } from "../support/tcp_tap.ts";

const MARKER = "MARKER-only-for-the-two-endpoints";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

/** Standard input and output of a process that another one types to. */
function stdioOf(
  input: TransformStream<Uint8Array, Uint8Array>,
  output: TransformStream<Uint8Array, Uint8Array>,
): Stdio {
  const [reader, writer] = [input.readable.getReader(), output.writable.getWriter()];
  return {
    stdin: {
      read: async (into) => {
        const { value } = await reader.read();
        if (value === undefined) return null;
        into.set(value);
        return value.length;
      },
      close: () => void reader.cancel().catch(() => {}),
    },
    stdout: {
      write: async (from) => {
        await writer.write(from.slice());
        return from.length;
      },
      close: () => void writer.close().catch(() => {}),
    },
  };
}

function datagrams(): Disposable & { readonly conn: Deno.DatagramConn } {
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  return { conn, [Symbol.dispose]: () => conn.close() };
}

async function talk(port: number, text: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(text));
  await conn.closeWrite();
  return await new Response(conn.readable).text().catch((error) => String(error));
}

Deno.test("a private service is used end to end through an edge that sees ciphertext only, and outlives its channel", async (t) => {
  await using tap = new TcpTap();
  await using stack = await startStack({ edge: { public_url_port: String(tap.port) } });
  tap.target = stack.port;
  using origin = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const conn of origin) conn.readable.pipeTo(conn.writable).catch(() => {});
  })();
  const token = { token_file: stack.edge.tokenPath, token_renewal: "false" };
  using udpOrigin = datagrams();
  (async () => {
    for await (const [bytes, from] of udpOrigin.conn) await udpOrigin.conn.send(bytes, from).catch(() => {});
  })();
  const shared = (name: string, protocol: string, port: number) => ({
    name,
    protocol,
    private: "true",
    target: `127.0.0.1:${port}`,
  });
  const agent = await stack.addAgent([
    shared("db", "http", origin.addr.port),
    shared("dns", "udp", (udpOrigin.conn.addr as Deno.NetAddr).port),
    shared("gone", "tcp", 1),
  ], token);
  const fingerprint = agent.fingerprint!;
  const told: { message: string; fields: LogFields | undefined }[] = [];
  let started = 0;
  const connect = (
    use: ConnectOptions["use"],
    settings: Settings = {},
    service = "db",
  ): Promise<RunningConnect> =>
    startConnect(
      agentDefaults({
        control: `http://127.0.0.1:${tap.port}`,
        state_directory: stack.folder.file(`client-${started++}`),
        drain_timeout: "1s",
        "retry.initial": "20ms",
        "retry.max": "200ms",
        ...token,
        ...settings,
      }),
      { service, use },
      {
        log: (_level, message, fields) => void told.push({ message, fields }),
        signal: new AbortController().signal,
      },
    );
  const listen = { listen: { host: "127.0.0.1", port: 0 } } as const;
  const db = await within(60_000, "the client is connected", connect(listen), stack.lines);
  const port = Number(db.address!.split(":")[1]);

  await t.step("bytes come back, and none of them is seen between the endpoints", async () => {
    const text = `${MARKER} ${"x".repeat(300_000)} ${MARKER}`;
    assert.equal(await talk(port, text), text);
    assert.equal(db.peer.fingerprint, fingerprint);
    assert.equal(db.peer.assurance, "named");
    assert.equal(db.peer.agentId, agent.agentId);
    assert.ok(tap.bytes > 1_200_000, String(tap.bytes));
    assert.equal(Buffer.concat(tap.fromServer).includes(MARKER), false);
  });

  await t.step("a pin that is right connects, another one is refused by its code", async () => {
    const pinned = await connect(listen, { "private.pin": fingerprint });
    assert.equal(pinned.peer.assurance, "pinned");
    await pinned.stop();
    await assert.rejects(
      connect(listen, { "private.pin": `sha256:${"A".repeat(43)}` }),
      code("private_pin_mismatch"),
    );
  });

  await t.step("standard input and output are one connection", async () => {
    const [input, output] = [
      new TransformStream<Uint8Array, Uint8Array>(),
      new TransformStream<Uint8Array, Uint8Array>(),
    ];
    const stdio = stdioOf(input, output);
    const running = await connect({ stdio }, { "private.padding": "buckets" });
    const typed = input.writable.getWriter();
    const answer = new Response(output.readable).text();
    await typed.write(new TextEncoder().encode("over stdio"));
    await typed.close();
    assert.equal(await answer, "over stdio");
    await running.finished;
  });

  await t.step("datagrams keep their boundaries, each sender with its own flow", async () => {
    const dns = await connect(listen, {}, "dns");
    const to = { transport: "udp", hostname: "127.0.0.1", port: Number(dns.address!.split(":")[1]) } as const;
    for (const sizes of [[3, 1_200, 0], [9_000]]) {
      using socket = datagrams();
      for (const size of sizes) {
        await socket.conn.send(new Uint8Array(size).fill(size), to);
        const [bytes] = await socket.conn.receive(new Uint8Array(10_000));
        assert.deepEqual(bytes, new Uint8Array(size).fill(size));
      }
    }
    await dns.stop();
    await assert.rejects(
      connect({ stdio: stdioOf(new TransformStream(), new TransformStream()) }, {}, "dns").then((run) =>
        run.finished
      ),
      code("private_kind_mismatch"),
    );
  });

  await t.step("the example of the guide runs, and a program's streams tell why they were cut", async () => {
    const guide = await Deno.readTextFile("docs/operator-guide.md");
    const [, example] = /```ts\n(import \{ connectPrivate \}[\s\S]*?)```/.exec(guide)!;
    const program = stack.folder.file("example.ts");
    await Deno.writeTextFile(
      program,
      example.replace('"./src/mod.ts"', JSON.stringify(new URL("../../src/mod.ts", import.meta.url).href)),
    );
    const env = {
      POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
      POSTERN_TOKEN_FILE: stack.edge.tokenPath,
    };
    const { code: exit, stdout, stderr } = await Process.run(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", "deno.json", program],
      env,
      timeoutMs: 60_000,
    });
    assert.equal(exit, 0, stderr);
    assert.equal(stdout, "hello over a private channel\n");

    const operator = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
    await using gone = await connectPrivate({
      control: env.POSTERN_CONTROL,
      token: operator,
      service: "gone",
    });
    const { readable } = await gone.open();
    await assert.rejects(
      new Response(readable).text(),
      (error) =>
        code("private_stream_cut")(error) && (error as PosternError).detail.reason === "origin_refused",
    );
    await gone.close();
    await assert.rejects(gone.open(), code("channel_closed"));
    await gone.closed;
  });

  await t.step("a name that is nobody's is refused at once", async () => {
    await assert.rejects(
      startConnect(
        agentDefaults({
          control: `http://127.0.0.1:${tap.port}`,
          state_directory: stack.folder.file("other"),
          ...token,
        }),
        { service: "nobody", use: listen },
        { log: () => {}, signal: new AbortController().signal },
      ),
      code("private_service_unknown"),
    );
  });

  await t.step("when the relay breaks off, another grant leads to the same service", async () => {
    const before = told.filter(({ message }) => message === "private channel open").length;
    tap.cut();
    await eventually(
      "there is another channel",
      () => told.filter(({ message }) => message === "private channel open").length > before,
    );
    await eventually("bytes come back again", async () => await talk(port, MARKER) === MARKER);
  });
  await db.stop();
});
