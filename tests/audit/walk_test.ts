import assert from "node:assert/strict";
import fc from "fast-check";
import { auditHash, AuditWalk, genesisHash, openAuditHasher } from "../../src/audit/mod.ts";
import type { AuditEntry, AuditLine } from "../../src/ports/mod.ts";

const hasher = await openAuditHasher();

const entry = (n: number): AuditEntry => ({
  atMs: 1_000 + n,
  actor: "alice",
  action: "tunnel.create",
  subject: `tun_${n}`,
  outcome: "ok",
  detail: { n },
});

/** A chain of lines from id 1 on. */
function chain(lines: number): AuditLine[] {
  const made: AuditLine[] = [];
  for (let id = 1; id <= lines; id++) {
    const line = { id, ...entry(id), previous: made.at(-1)?.hash ?? genesisHash };
    made.push({ ...line, hash: auditHash(hasher, line) });
  }
  return made;
}

function walk(lines: readonly AuditLine[], options: { since?: AuditLine; head?: AuditLine } = {}) {
  const walk = new AuditWalk(hasher, options.since);
  for (const line of lines) {
    const fault = walk.take(line);
    if (fault !== undefined) return fault;
  }
  return walk.end(options.head);
}

Deno.test("auditHash() covers the hash of the line before, which has to be one", () => {
  const hash = auditHash(hasher, { id: 1, ...entry(1), previous: genesisHash });
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.throws(() => auditHash(hasher, { id: 1, ...entry(1), previous: "00" }), RangeError);
  const [first, second] = chain(2);
  assert.equal(first.hash, hash);
  assert.equal(second.previous, first.hash);
});

Deno.test("AuditWalk vouches for a whole chain, an empty one and one whose oldest lines were let go", () => {
  const lines = chain(5);
  const head = lines[4].hash;
  assert.deepEqual(walk(lines, { head: lines[4] }), {
    lines: 5,
    firstId: 1,
    lastId: 5,
    head,
    isShortened: false,
  });
  assert.deepEqual(walk(lines.slice(2)), { lines: 3, firstId: 3, lastId: 5, head, isShortened: true });
  assert.deepEqual(walk([]), { lines: 0, firstId: 0, lastId: 0, head: genesisHash, isShortened: false });
});

Deno.test("AuditWalk finds every edit of every field of every line", () => {
  const lines = chain(4);
  const edits: ((line: AuditLine) => AuditLine)[] = [
    (line) => ({ ...line, atMs: line.atMs + 1 }),
    (line) => ({ ...line, actor: "bob" }),
    (line) => ({ ...line, action: "tunnel.delete" }),
    (line) => ({ ...line, subject: "tun_9" }),
    (line) => ({ ...line, outcome: "unproven" }),
    (line) => ({ ...line, detail: { n: 9 } }),
    (line) => ({ ...line, hash: "a".repeat(64) }),
    (line) => ({ ...line, actor: "alicetunnel.", action: "create" }),
  ];
  for (const [at, line] of lines.entries()) {
    for (const edit of edits) {
      assert.deepEqual(walk(lines.with(at, edit(line))), { id: line.id, what: "edited" });
    }
  }
});

Deno.test("AuditWalk finds a line that was rewritten together with its hash, at the line after it", () => {
  const lines = chain(4);
  const forged = { ...lines[1], actor: "bob" };
  const rehashed = { ...forged, hash: auditHash(hasher, forged) };
  assert.deepEqual(walk(lines.with(1, rehashed)), { id: 3, what: "gap" });
  assert.deepEqual(walk(lines.with(3, { ...lines[3], actor: "bob" })), { id: 4, what: "edited" });
});

Deno.test("AuditWalk finds lines that are missing, doubled, moved or cut off", () => {
  const lines = chain(5);
  fc.assert(fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }), (at, other) => {
    const without = lines.toSpliced(at, 1);
    assert.deepEqual(walk(without), { id: at + 2, what: "gap" });
    const doubled = lines.toSpliced(at, 0, lines[at]);
    assert.deepEqual(walk(doubled), { id: at + 1, what: "gap" });
    fc.pre(at !== other);
    const swapped = lines.with(at, lines[other]).with(other, lines[at]);
    assert.equal("what" in walk(swapped), true);
  }));
  assert.deepEqual(walk(lines.slice(0, 3), { head: lines[4] }), { id: 4, what: "cut_off" });
  const other = { ...lines[4], hash: "b".repeat(64) };
  assert.deepEqual(walk(lines, { head: other }), { id: 6, what: "cut_off" });
});

Deno.test("AuditWalk holds the chain against a line that was noted before", () => {
  const lines = chain(5);
  assert.equal("lines" in walk(lines, { since: lines[2] }), true);
  const rewritten = chain(5).map((line) => ({ ...line, actor: "bob" }));
  let previous = genesisHash;
  const forged = rewritten.map((line) => {
    const { hash: _, ...rest } = { ...line, previous };
    previous = auditHash(hasher, rest);
    return { ...rest, hash: previous };
  });
  assert.equal("lines" in walk(forged), true, "the chain by itself cannot tell");
  assert.deepEqual(walk(forged, { since: lines[2] }), { id: 3, what: "checkpoint" });
  assert.deepEqual(walk(lines.slice(3), { since: lines[2] }), { id: 3, what: "checkpoint" });
});
