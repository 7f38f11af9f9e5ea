import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../src/bytes/mod.ts";
import { writeAll } from "../../src/driver/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { memoryStreamPair } from "./memory_stream.ts";

async function readToEnd(stream: ByteStream, chunkBytes = 1000): Promise<Uint8Array> {
  const all: number[] = [];
  const chunk = new Uint8Array(chunkBytes);
  for (;;) {
    const bytes = await stream.read(chunk);
    if (bytes === null) return Uint8Array.from(all);
    assert.ok(bytes > 0);
    all.push(...chunk.subarray(0, bytes));
  }
}

Deno.test("memoryStreamPair() moves bytes in order through small buffers and short transfers, both ways", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 400 }),
      fc.uint8Array({ maxLength: 400 }),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      async (there, back, bufferBytes, maxTransferBytes) => {
        const [a, b] = memoryStreamPair({ bufferBytes, maxTransferBytes });
        const send = async (stream: ByteStream, bytes: Uint8Array) => {
          await writeAll(stream, bytes);
          await stream.closeWrite();
        };
        const [atB, atA] = await Promise.all([
          readToEnd(b, 7),
          readToEnd(a, 7),
          send(a, there),
          send(b, back),
        ]);
        assert.deepEqual(atB, there);
        assert.deepEqual(atA, back);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("memoryStreamPair() holds no more than bufferBytes: writing waits for the reader", async () => {
  const [a, b] = memoryStreamPair({ bufferBytes: 4 });
  assert.equal(await a.write(utf8("abcdef")), 4);
  let written = false;
  const waiting = a.write(utf8("ef")).then(() => written = true);
  await Promise.resolve();
  assert.equal(written, false);
  assert.equal(await b.read(new Uint8Array(1)), 1);
  await waiting;
});

Deno.test("memoryStreamPair() half-closes: reading goes on after closeWrite()", async () => {
  const [a, b] = memoryStreamPair();
  await a.closeWrite();
  assert.equal(await b.read(new Uint8Array(1)), null);
  await writeAll(b, utf8("late"));
  assert.equal(await a.read(new Uint8Array(9)), 4);
  await assert.rejects(a.write(utf8("x")), { code: "connection_closed" });
});

Deno.test("memoryStreamPair() close() ends everything under way on both sides", async () => {
  const [a, b] = memoryStreamPair({ bufferBytes: 2 });
  await a.write(utf8("ab"));
  const readA = a.read(new Uint8Array(1));
  const writeA = a.write(utf8("c"));
  a.close();
  a.close();
  assert.equal(await readA, null);
  await assert.rejects(writeA, { code: "connection_closed" });
  assert.deepEqual(await readToEnd(b), utf8("ab"));
  await assert.rejects(b.write(utf8("x")), { code: "connection_reset" });
});

Deno.test("memoryStreamPair() tells each end the other's address", () => {
  const [a, b] = memoryStreamPair({ addresses: ["10.0.0.1:1", "10.0.0.2:2"] });
  assert.equal(a.remoteAddress, "10.0.0.2:2");
  assert.equal(b.remoteAddress, "10.0.0.1:1");
});
