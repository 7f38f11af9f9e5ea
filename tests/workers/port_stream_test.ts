import assert from "node:assert/strict";
import fc from "fast-check";
import { codeOf } from "../../src/errors/mod.ts";
import { PortStream } from "../../src/workers/port_stream.ts";

function pair(): [PortStream, PortStream] {
  const { port1, port2 } = new MessageChannel();
  return [new PortStream(port1, "192.0.2.1:1"), new PortStream(port2, "192.0.2.2:2")];
}

async function writeAll(stream: PortStream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
}

async function readAll(stream: PortStream, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(most);
  for (let read = await stream.read(buffer); read !== null; read = await stream.read(buffer)) {
    parts.push(buffer.slice(0, read));
  }
  return await new Blob(parts as Uint8Array<ArrayBuffer>[]).bytes();
}

Deno.test("PortStream: what one thread writes the other reads, whatever the pieces, up to the end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(300_000), { maxLength: 8 }),
      fc.integer({ min: 900, max: 200_000 }),
      async (sizes, most) => {
        const [near, far] = pair();
        const pieces = sizes.map((size, at) => new Uint8Array(size).fill(at + 1));
        const got = readAll(far, most);
        for (const piece of pieces) await writeAll(near, piece);
        await near.closeWrite();
        assert.deepEqual(await got, await new Blob(pieces).bytes());
        near.close();
        far.close();
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("PortStream: a writer waits for its reader, and the other direction does not", async () => {
  const [near, far] = pair();
  let written = 0;
  const writing = (async () => {
    for (; written < 4_000_000;) written += await near.write(new Uint8Array(100_000));
    await near.closeWrite();
  })();
  await writeAll(far, new Uint8Array([1, 2, 3]));
  const answer = new Uint8Array(3);
  assert.equal(await near.read(answer), 3);
  assert.ok(written <= 524_288, `${written} bytes are under way`);
  const got = await readAll(far, 65_536);
  await writing;
  assert.equal(got.length, written);
  near.close();
  far.close();
});

Deno.test("PortStream: closing ends the reads of both sides, and writes fail with their codes", async () => {
  const [near, far] = pair();
  const waiting = [near.read(new Uint8Array(1)), far.read(new Uint8Array(1))];
  near.close();
  near.close();
  assert.deepEqual(await Promise.all(waiting), [null, null]);
  assert.equal(await near.write(new Uint8Array(1)).then(() => "written", codeOf), "connection_closed");
  assert.equal(await far.write(new Uint8Array(1)).then(() => "written", codeOf), "connection_reset");
  far.close();
});
