import assert from "node:assert/strict";
import { concat, utf8, utf8Decode } from "../../../src/bytes/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import { encodePaired } from "../../../src/relay/mod.ts";
import { upgradeAccept, WebSocketFraming } from "../../../src/wire/websocket/mod.ts";
import { attachToRelay } from "../../../agent/private/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

const TOKEN = "eyJ0b2tlbiI.of-a_grant.0123456789";
const never = new AbortController().signal;

interface Peer {
  readonly head: string;
  send(message: Uint8Array): Promise<void>;
  sendRaw(bytes: Uint8Array): Promise<void>;
  readonly framing: WebSocketFraming;
  readonly conn: Deno.TcpConn;
}

/** A relay on loopback that takes one upgrade and then does as the test says. */
async function attached(act: (peer: Peer) => Promise<void> | void, windowMs = 60_000) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const conn = await listener.accept();
    const buffer = new Uint8Array(8_192);
    let head = "";
    while (!head.includes("\r\n\r\n")) {
      const read = await conn.read(buffer);
      if (read === null) break;
      head += utf8Decode(buffer.subarray(0, read));
    }
    const key = /Sec-WebSocket-Key: (\S+)/.exec(head)![1];
    const sendRaw = async (bytes: Uint8Array) => {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    };
    await sendRaw(utf8(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${upgradeAccept(key)}\r\nSec-WebSocket-Protocol: postern.v1\r\n\r\n`,
    ));
    const framing = WebSocketFraming.server();
    const send = async (message: Uint8Array) => {
      const out = concat(new Uint8Array(framing.headerBytes), message);
      await sendRaw(out.subarray(0, framing.frame(out, framing.headerBytes, out.length)));
    };
    try {
      await act({ head, send, sendRaw, framing, conn });
    } finally {
      conn.close();
    }
  })();
  try {
    return await attachToRelay(
      {
        tunnel_url: `ws://127.0.0.1:${listener.addr.port}`,
        token: TOKEN,
        channel_init_expire_at_unix_s: (Date.now() + windowMs) / 1_000,
      },
      { clock: systemClock, random: systemRandom },
      never,
    );
  } finally {
    await served;
  }
}

Deno.test("attachToRelay() shows the token in a header only, and hands on what came behind the relay's word", async () => {
  let head = "";
  const carrier = await attached(async (peer) => {
    head = peer.head;
    await peer.send(encodePaired({ idle_timeout_seconds: 60, max_record_bytes: 1_048_576 }));
    await peer.sendRaw(Uint8Array.of(0x82, 3, 1, 2, 3));
  });
  assert.match(head, /^GET \/v1\/channel\/attach HTTP\/1\.1\r\n/);
  assert.match(head, new RegExp(`\r\nAuthorization: Bearer ${TOKEN.replaceAll(".", "\\.")}\r\n`));
  const rest = new Uint8Array(64);
  let end = carrier.leftover.length;
  rest.set(carrier.leftover);
  while (end < 5) end += (await carrier.stream.read(rest.subarray(end)))!;
  assert.equal(carrier.framing.next(rest, 0, end), "message");
  assert.deepEqual(
    rest.slice(carrier.framing.messageStart, carrier.framing.messageEnd),
    Uint8Array.of(1, 2, 3),
  );
  carrier.stream.close();
});

Deno.test("attachToRelay() answers the relay's pings while it waits", async () => {
  let pong: Uint8Array | undefined;
  const carrier = await attached(async (peer) => {
    await peer.sendRaw(Uint8Array.of(0x89, 1, 7));
    const buffer = new Uint8Array(64);
    pong = buffer.slice(0, (await peer.conn.read(buffer))!);
    await peer.send(encodePaired({ idle_timeout_seconds: 60, max_record_bytes: 65_535 }));
  });
  assert.equal(pong![0], 0x8a);
  carrier.stream.close();
});

const ends: [string, ErrorCode, (peer: Peer) => Promise<void> | void][] = [
  [
    "the relay says why it ends",
    "relay_full",
    (peer) => peer.sendRaw(peer.framing.closing(1013, "too_many_connections")),
  ],
  [
    "the relay ends with words of its own",
    "private_unpaired",
    (peer) => peer.sendRaw(peer.framing.closing(1000, "bye")),
  ],
  ["the relay breaks off", "private_unpaired", () => {}],
  ["the first record is something else", "relay_paired_invalid", (peer) => peer.send(utf8("{}"))],
  [
    "the first record never ends",
    "relay_paired_invalid",
    (peer) => peer.sendRaw(concat(Uint8Array.of(0x82, 126, 0xff, 0xff), new Uint8Array(20_000))),
  ],
  [
    "the relay takes short records only",
    "relay_paired_invalid",
    (peer) => peer.send(encodePaired({ idle_timeout_seconds: 60, max_record_bytes: 2_000 })),
  ],
];
for (const [what, expected, act] of ends) {
  Deno.test(`attachToRelay() throws ${expected} when ${what}`, async () => {
    await assert.rejects(attached(act), code(expected));
  });
}

Deno.test("attachToRelay() throws private_unpaired at the end of the window", async () => {
  await assert.rejects(
    attached(async (peer) => void await peer.conn.read(new Uint8Array(1)), 30),
    code("private_unpaired"),
  );
});

Deno.test("attachToRelay() gives up when the signal aborts, before anything is shown", async () => {
  const grant = {
    tunnel_url: "ws://127.0.0.1:1",
    token: TOKEN,
    channel_init_expire_at_unix_s: 4_000_000_000,
  };
  const options = { clock: systemClock, random: systemRandom };
  await assert.rejects(attachToRelay(grant, options, AbortSignal.abort()), code("connect_aborted"));
  await assert.rejects(
    attachToRelay({ ...grant, token: "two\r\nlines" }, options, never),
    (error) => error instanceof PosternError && !error.message.includes("lines"),
  );
});
