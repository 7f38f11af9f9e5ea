import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../../src/bytes/mod.ts";
import { PosternError } from "../../../src/errors/mod.ts";
import {
  alertRecord,
  isTlsClientHello,
  MAX_CLIENT_HELLO_BYTES,
  MAX_HELLO_RECORDS,
  parseClientHello,
  TlsAlert,
} from "../../../src/wire/tls/mod.ts";

const u16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
const vector8 = (...parts: Uint8Array[]) => concat(Uint8Array.of(concat(...parts).length), ...parts);
const vector16 = (...parts: Uint8Array[]) => concat(u16(concat(...parts).length), ...parts);
const extension = (type: number, ...data: Uint8Array[]) => concat(u16(type), vector16(...data));
const sni = (name: string | Uint8Array) =>
  extension(0, vector16(Uint8Array.of(0), vector16(typeof name === "string" ? utf8(name) : name)));
const alpn = (...names: string[]) => extension(16, vector16(...names.map((name) => vector8(utf8(name)))));
const padding = (bytes: number) => extension(21, new Uint8Array(bytes));

interface Parts {
  readonly version?: number;
  readonly sessionId?: Uint8Array;
  readonly suites?: Uint8Array;
  readonly compression?: Uint8Array;
  /** undefined: the hello ends before. */
  readonly extensions?: readonly Uint8Array[];
  readonly behind?: Uint8Array;
}

function message(parts: Parts = {}): Uint8Array {
  const body = concat(
    u16(parts.version ?? 0x0303),
    new Uint8Array(32).fill(7),
    vector8(parts.sessionId ?? new Uint8Array(32)),
    vector16(parts.suites ?? Uint8Array.of(0x13, 1)),
    vector8(parts.compression ?? Uint8Array.of(0)),
    ...(parts.extensions === undefined ? [] : [vector16(...parts.extensions)]),
    parts.behind ?? new Uint8Array(),
  );
  return concat(Uint8Array.of(1, body.length >> 16, body.length >> 8 & 0xff, body.length & 0xff), body);
}

function records(bytes: Uint8Array, fragmentBytes = 16_384): Uint8Array {
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += fragmentBytes) {
    out.push(Uint8Array.of(22, 3, 1), vector16(bytes.subarray(at, at + fragmentBytes)));
  }
  return concat(...out);
}

const hello = (...extensions: Uint8Array[]) => records(message({ extensions }));

function refused(bytes: Uint8Array, state: RegExp): void {
  assert.throws(() => parseClientHello(bytes), { code: "tls_malformed_hello", message: state });
}

Deno.test("parseClientHello() reads server name and protocols", () => {
  assert.deepEqual(parseClientHello(hello(padding(3), sni("App.Example.COM"), alpn("h2", "http/1.1"))), {
    serverName: "app.example.com",
    alpnProtocols: ["h2", "http/1.1"],
  });
  const absent = { serverName: undefined, alpnProtocols: undefined };
  assert.deepEqual(parseClientHello(hello()), absent);
  assert.deepEqual(parseClientHello(records(message())), absent, "without extensions");
});

Deno.test("parseClientHello() takes addresses for no name", () => {
  for (const address of ["127.0.0.1", "::1", "2001:db8::1"]) {
    assert.equal(parseClientHello(hello(sni(address)))?.serverName, undefined);
  }
});

Deno.test("parseClientHello() gives null for every beginning, and the same for every cut into records", () => {
  const bytes = message({ extensions: [sni("a.test"), alpn("http/1.1"), padding(200)] });
  const expected = parseClientHello(records(bytes));
  fc.assert(fc.property(fc.integer({ min: Math.ceil(bytes.length / MAX_HELLO_RECORDS), max: 400 }), (cut) => {
    const wire = records(bytes, cut);
    for (let end = 0; end < wire.length; end++) assert.equal(parseClientHello(wire.subarray(0, end)), null);
    assert.deepEqual(parseClientHello(wire), expected);
    assert.deepEqual(
      parseClientHello(concat(wire, Uint8Array.of(23, 3, 3, 9))),
      expected,
      "what follows is not read",
    );
  }));
});

Deno.test("parseClientHello() refuses at the first byte that cannot be right", () => {
  refused(utf8("G"), /no handshake record/);
  refused(Uint8Array.of(22, 2), /record version/);
  refused(Uint8Array.of(22, 3, 1, 0, 0), /record length/);
  refused(Uint8Array.of(22, 3, 1, 0x40, 1), /record length/);
  refused(Uint8Array.of(22, 3, 1, 0, 9, 2), /another message/);
});

Deno.test("parseClientHello() refuses declared lengths over its limits before the bytes are there", () => {
  const at = (bytes: number) =>
    Uint8Array.of(22, 3, 1, 0x40, 0, 1, bytes >> 16, bytes >> 8 & 0xff, bytes & 0xff);
  assert.equal(parseClientHello(at(MAX_CLIENT_HELLO_BYTES)), null);
  refused(at(MAX_CLIENT_HELLO_BYTES + 1), /longer than 32 KiB/);
  const long = records(message({ extensions: [padding(30_000)] }));
  assert.notEqual(parseClientHello(long), null);
  const bytes = message({ extensions: [padding(100)] });
  refused(records(bytes, Math.floor(bytes.length / MAX_HELLO_RECORDS) - 1), /too many records/);
  refused(concat(Uint8Array.of(22, 3, 1), vector16(bytes, Uint8Array.of(0))), /another message follows/);
});

Deno.test("parseClientHello() refuses bodies that break RFC 8446", () => {
  const body = (parts: Parts) => records(message({ extensions: [], ...parts }));
  refused(body({ version: 0x0203 }), /its version/);
  refused(body({ sessionId: new Uint8Array(33) }), /session id/);
  refused(body({ suites: new Uint8Array() }), /cipher suites/);
  refused(body({ suites: new Uint8Array(3) }), /cipher suites/);
  refused(body({ compression: new Uint8Array() }), /compression/);
  refused(body({ behind: new Uint8Array(1) }), /too short/);
  refused(records(message({ behind: new Uint8Array(1) })), /too long/);
  refused(hello(Uint8Array.of(0, 21, 0, 9, 1)), /too long/);
  refused(hello(padding(1), padding(1)), /stands twice/);
  refused(records(Uint8Array.of(1, 0, 0, 0)), /too long/);
});

Deno.test("parseClientHello() refuses names and protocols that break RFC 6066 and 7301", () => {
  const long = `${"a".repeat(63)}.`.repeat(4) + "a";
  for (const name of ["a..b", ".a", "a.", "-a.b", "a-.b", "a b", "a/b", "ä.test", "a\0b", "a".repeat(64)]) {
    refused(hello(sni(name)), /no DNS name/);
  }
  for (const name of ["", long]) refused(hello(sni(name)), /too short or too long/);
  refused(hello(extension(0)), /too long/);
  refused(hello(extension(0, vector16(Uint8Array.of(1), vector16(utf8("a"))))), /unknown type/);
  const entry = concat(Uint8Array.of(0), vector16(utf8("a")));
  refused(hello(extension(0, vector16(entry, entry))), /too short/);
  refused(hello(extension(16, vector16())), /list of protocols is empty/);
  refused(hello(alpn("")), /protocol name is empty/);
  refused(hello(extension(16, vector16(Uint8Array.of(5, 1)))), /too long/);
});

Deno.test("parseClientHello() throws nothing but tls_malformed_hello, whatever it gets", () => {
  const valid = hello(sni("a.test"), alpn("h2", "http/1.1"), padding(40));
  const mutation = fc.array(
    fc.record({ at: fc.nat(valid.length - 1), value: fc.integer({ min: 0, max: 255 }) }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(mutation, fc.nat(valid.length), (changes, end) => {
      const bytes = valid.slice(0, end);
      for (const { at, value } of changes) if (at < end) bytes[at] = value;
      try {
        parseClientHello(bytes);
      } catch (error) {
        assert.ok(error instanceof PosternError && error.code === "tls_malformed_hello", String(error));
      }
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("isTlsClientHello() knows a handshake record by its first byte", () => {
  assert.equal(isTlsClientHello(hello()[0]), true);
  for (const other of [..."GPHDOCTI\r\n\0"]) assert.equal(isTlsClientHello(other.charCodeAt(0)), false);
});

Deno.test("alertRecord() is a fatal alert in clear", () => {
  assert.deepEqual([...alertRecord(TlsAlert.noApplicationProtocol)], [21, 3, 3, 0, 2, 2, 120]);
});
