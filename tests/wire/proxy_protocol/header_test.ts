import assert from "node:assert/strict";
import fc from "fast-check";
import { ipBytes, ipText } from "../../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import {
  beginsProxyHeader,
  type Endpoint,
  MAX_PROXY_HEADER_BYTES,
  proxyHeader,
  readProxyHeader,
} from "../../../src/wire/proxy_protocol/mod.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;
const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const text = (value: string) => Uint8Array.from(value, (char) => char.charCodeAt(0));
/** A header with these bytes behind its length. */
const header = (command: number, kind: number, rest: readonly number[], length = rest.length) =>
  Uint8Array.of(...signature, command, kind, length >> 8, length, ...rest);

const host = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)
  .map(ipText);
const endpoint: fc.Arbitrary<Endpoint> = fc.record({ host, port: fc.nat(65_535) }, { noNullPrototype: true });

Deno.test("readProxyHeader() reads back what proxyHeader() wrote, with TLVs and what follows, from any number of pieces", () => {
  fc.assert(fc.property(
    endpoint,
    endpoint,
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 20 }),
    (source, destination, tlvs, rest) => {
      const written = proxyHeader(source, destination);
      const length = written.length - 16 + tlvs.length;
      const bytes = Uint8Array.of(...written, ...tlvs, ...rest);
      bytes[14] = length >> 8;
      bytes[15] = length;
      const end = 16 + length;
      for (let at = 0; at < end; at++) assert.equal(readProxyHeader(bytes.subarray(0, at)), null);
      const read = readProxyHeader(bytes);
      assert.deepEqual(read, { bytes: end, ends: { source, destination } });
      assert.ok(beginsProxyHeader(bytes));
    },
  ));
});

Deno.test("proxyHeader() writes the example of the specification byte for byte, in both families", () => {
  const four = proxyHeader({ host: "192.168.0.1", port: 56_324 }, { host: "192.168.0.11", port: 443 });
  assert.deepEqual([...four], [...header(0x21, 0x11, [192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 4, 1, 0xbb])]);
  const six = proxyHeader({ host: "2001:db8::1", port: 1 }, { host: "::1", port: 2 });
  const one = [...ipBytes("2001:db8::1")!];
  assert.deepEqual([...six], [...header(0x21, 0x21, [...one, ...ipBytes("::1")!, 0, 1, 0, 2])]);
  // One of each kind: both as IPv6, of which a reader makes IPv4 again.
  const mixed = readProxyHeader(
    proxyHeader({ host: "192.0.2.1", port: 1 }, { host: "2001:db8::1", port: 2 }),
  );
  assert.deepEqual(mixed?.ends, {
    source: { host: "192.0.2.1", port: 1 },
    destination: { host: "2001:db8::1", port: 2 },
  });
});

Deno.test("proxyHeader() without both addresses says that they are not known", () => {
  for (
    const bytes of [
      proxyHeader(),
      proxyHeader({ host: "192.0.2.1", port: 1 }),
      proxyHeader({ host: "x", port: 1 }),
    ]
  ) {
    assert.deepEqual([...bytes], [...header(0x21, 0, [])]);
    assert.deepEqual(readProxyHeader(bytes), { bytes: 16, ends: undefined });
  }
});

Deno.test("readProxyHeader() takes LOCAL with any content, and families without IP addresses, as the proxy's own", () => {
  const unix = new Array<number>(216).fill(0x2f);
  const datagram = [192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2];
  for (
    const bytes of [
      header(0x20, 0, []),
      header(0x20, 0x11, [1, 2, 3]),
      header(0x21, 0, [9, 9]),
      header(0x21, 0x31, unix),
      header(0x21, 0x12, datagram),
    ]
  ) assert.deepEqual(readProxyHeader(bytes), { bytes: bytes.length, ends: undefined });
});

Deno.test("readProxyHeader() refuses each fault with its code as soon as it is certain", () => {
  const cases: [ErrorCode, Uint8Array][] = [
    ["proxy_header_missing", text("G")],
    ["proxy_header_missing", text("POST / HTTP/1.1\r\n")],
    ["proxy_header_missing", text("\r\n\r\n\r\n")],
    ["proxy_header_missing", Uint8Array.of(0x16, 3, 1)],
    ["proxy_header_version", text("PROXY ")],
    ["proxy_header_version", text("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")],
    ["proxy_header_version", Uint8Array.of(...signature, 0x31)],
    ["proxy_header_version", Uint8Array.of(...signature, 0x11)],
    ["proxy_header_malformed", Uint8Array.of(...signature, 0x22)],
    ["proxy_header_malformed", header(0x21, 0x41, [])],
    ["proxy_header_malformed", header(0x21, 0x13, new Array(12).fill(0))],
    ["proxy_header_malformed", header(0x21, 0x11, [], 11)],
    ["proxy_header_malformed", header(0x21, 0x21, [], 35)],
    ["proxy_header_malformed", header(0x21, 0x31, [], 215)],
    ["proxy_header_too_large", header(0x21, 0x11, [], MAX_PROXY_HEADER_BYTES - 15)],
    ["proxy_header_too_large", header(0x20, 0, [], 65_535)],
  ];
  for (const [expected, bytes] of cases) {
    assert.throws(() => readProxyHeader(bytes), code(expected), `${expected} ${bytes.toHex()}`);
  }
  assert.equal(readProxyHeader(header(0x21, 0x11, [], MAX_PROXY_HEADER_BYTES - 16)), null);
  assert.equal(readProxyHeader(text("PROX")), null);
  assert.equal(readProxyHeader(new Uint8Array()), null);
});

Deno.test("readProxyHeader() throws nothing but PosternError, for random bytes and mutated headers", () => {
  const mutated = fc.tuple(endpoint, endpoint, fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }))
    .map(
      ([source, destination, changes]) => {
        const bytes = proxyHeader(source, destination);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      },
    );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutated), (bytes) => {
      try {
        const read = readProxyHeader(bytes);
        if (read !== null) assert.ok(read.bytes >= 16 && read.bytes <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof PosternError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("beginsProxyHeader() knows both versions by their whole mark, and nothing else", () => {
  assert.ok(beginsProxyHeader(Uint8Array.of(...signature)));
  assert.ok(beginsProxyHeader(text("PROXY TCP6 ")));
  for (
    const other of [
      text("PROXY"),
      text("POST / HTTP/1.1"),
      Uint8Array.of(...signature.slice(0, 11)),
      text(""),
    ]
  ) {
    assert.ok(!beginsProxyHeader(other), other.toHex());
  }
});
