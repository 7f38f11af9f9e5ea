import { decrypt, encrypt, tagHolds, wantsKeyAhead } from "./aead";
import { startStream } from "./chacha20";
import { macTurns, stream8Turns } from "./kernel";
import { setLane, takeMacKey } from "./keys";
import { macTag } from "./poly1305";
import {
  ARENA,
  ARENA_END,
  inArena,
  RECORDS,
  SCRATCH,
  SCRATCH_END,
  STAGE,
  TAG,
  TAG_BYTES,
  TURNS,
  WINDOW,
  wipeBlocks,
} from "./memory";

// Many records under one key. Small ones go in groups: their key blocks and payload blocks fill the eight lanes of one
// pass, and into the pass for a group is woven the MAC of the group before, in turns of three blocks of one record.
//
//   pass k     lanes  | key a | a | key b | b | b | key c | c | - |    key streams into the window
//              turns  the MACs of group k - 1
//   then       tags of group k - 1; XOR group k with its key streams; stage its MAC input and turns
//
// A row of the table, 16 bytes, is a record: | ad | ad bytes | payload at | payload bytes |.

const ROW: usize = 16;
const LANE_COUNT: usize = 8;
const TURN_COUNT: usize = 10;
const TURN: usize = 32;
const RECORD: usize = 64;
const R: usize = 32;
const S: usize = 48;
const BLOCK: usize = 64;
/** For the first two blocks of a turn, 2^128 as its limb has it; from 8 or 16 bytes before, one or both without. */
const HIGH_BITS = memory.data<u64>([0, 0, 1 << 32, 1 << 32], 16) + 16;
/** Above this a record goes by itself: its own passes are full. */
const MOST_BYTES: u32 = 3 * 64;

/**
 * Whether table and records lie in the arena, the records in ascending order without overlap, each with its associated
 * data between the record before and its own payload, and the table apart from them all.
 */
export function rowsHold(table: u32, count: u32): bool {
  const tableBytes = <u64>count * ROW;
  if (!inArena(table, tableBytes)) return false;
  let end = <u64>ARENA;
  let start = <u64>ARENA_END;
  for (let i: u32 = 0; i < count; i++) {
    const row = <usize>table + <usize>i * ROW;
    const ad = <u64>load<u32>(row);
    const adBytes = <u64>load<u32>(row, 4);
    const at = <u64>load<u32>(row, 8);
    const from = adBytes == 0 ? at : ad;
    if (from < end || from + adBytes > at) return false;
    if (i == 0) start = from;
    end = at + load<u32>(row, 12) + TAG_BYTES;
    if (end > ARENA_END) return false;
  }
  return <u64>table >= end || <u64>table + tableBytes <= start;
}

/** Seals or opens the rows under nonces from `nonce` on. Opening: the index of the first that does not hold, or `count`. */
export function runBatch(slot: usize, table: usize, count: u32, nonce: u64, opening: bool): u32 {
  let held = count;
  // Rows whose tags are due: their MACs are in TURNS.
  let dueFrom: u32 = 0;
  let dueEnd: u32 = 0;
  let row: u32 = 0;
  startStream(slot, 0, 0, 0, 0);
  planNothing(0);
  while (row < count && held == count) {
    const end = gather(table, row, count, nonce);
    if (end == row) {
      if (!single(slot, table + <usize>row * ROW, nonce + row, opening)) held = row;
      row++;
      continue;
    }
    stream8Turns(WINDOW, TURNS);
    held = settle(table, dueFrom, dueEnd, count, opening);
    place(table, row, end, opening);
    dueFrom = row;
    dueEnd = end;
    row = end;
  }
  if (held >= dueFrom) {
    macTurns(TURNS, TURNS + TURN_COUNT * TURN);
    const due = settle(table, dueFrom, dueEnd, held, opening);
    if (due < held) held = due;
  }
  // Nothing behind a forgery is shown, whether it was reached or not.
  for (row = held; row < count; row++) {
    const at = table + <usize>row * ROW;
    memory.fill(load<u32>(at, 8), 0, load<u32>(at, 12));
  }
  wipeBlocks(SCRATCH, SCRATCH_END - SCRATCH);
  return held;
}

/** Fills lanes with rows from `from` on while there is room for them; gives the first that is not in. */
function gather(table: usize, from: u32, count: u32, nonce: u64): u32 {
  let lane: usize = 0;
  let turns: usize = 0;
  let row = from;
  while (row < count) {
    const at = table + <usize>row * ROW;
    const bytes = load<u32>(at, 12);
    const adBytes = load<u32>(at, 4);
    if (bytes > MOST_BYTES || adBytes > TURN_COUNT * 48) break;
    const lanes = lanesOf(bytes);
    turns += turnsOf(adBytes, bytes);
    if (lane + lanes > LANE_COUNT || turns > TURN_COUNT) break;
    for (let block: u32 = 0; block < lanes; block++) setLane(lane + block, block, nonce + row);
    lane += lanes;
    row++;
  }
  return row;
}

/** XORs the rows with their key streams and plans their MACs. */
function place(table: usize, from: u32, end: u32, opening: bool): void {
  let stream = WINDOW;
  let record = RECORDS;
  let turn = TURNS;
  let stage = STAGE;
  for (let row = from; row < end; row++) {
    const at = table + <usize>row * ROW;
    const ad = <usize>load<u32>(at);
    const adBytes = <usize>load<u32>(at, 4);
    const payload = <usize>load<u32>(at, 8);
    const bytes = <usize>load<u32>(at, 12);
    v128.store(record, i64x2.splat(0));
    v128.store(record, i64x2.splat(0), 16);
    v128.store(record, v128.and(v128.load(stream), i32x4(0x0fffffff, 0x0ffffffc, 0x0ffffffc, 0x0ffffffc)), R);
    v128.store(record, v128.load(stream, 16), S);
    const turns = turnsOf(adBytes, bytes);
    const empty = 3 * turns - macBlockCount(adBytes, bytes);
    store<u64>(turn, <u64>record | (<u64>stage << 32));
    v128.store(turn, v128.load(HIGH_BITS - 8 * empty), 8);
    turn += TURN;
    for (let i: usize = 1; i < turns; i++) {
      store<u64>(turn, <u64>record | (<u64>(stage + 48 * i) << 32));
      v128.store(turn, v128.load(HIGH_BITS), 8);
      turn += TURN;
    }
    if (empty > 0) v128.store(stage, i64x2.splat(0));
    if (empty > 1) v128.store(stage, i64x2.splat(0), 16);
    stage += empty << 4;
    stage = stagePadded(stage, ad, adBytes);
    stage = xorPadded(stage, payload, bytes, stream + BLOCK, opening);
    store<u64>(stage, adBytes);
    store<u64>(stage, bytes, 8);
    stage += 16;
    stream += lanesOf(<u32>bytes) * BLOCK;
    record += RECORD;
  }
  planNothing((turn - TURNS) / TURN);
}

/** Turns from `from` on change only the record that nobody reads. */
function planNothing(from: usize): void {
  for (let i = from; i < TURN_COUNT; i++) {
    store<u32>(TURNS + i * TURN, <u32>(RECORDS + LANE_COUNT * RECORD));
    store<u32>(TURNS + i * TURN, <u32>STAGE, 4);
  }
}

/** Copies a range, zero-padded to blocks; gives where it ends. A tag behind it makes 16 more bytes readable. */
function stagePadded(stage: usize, from: usize, bytes: usize): usize {
  const end = from + (bytes & ~15);
  while (from < end) {
    v128.store(stage, v128.load(from));
    from += 16;
    stage += 16;
  }
  const rest = bytes & 15;
  if (rest == 0) return stage;
  v128.store(stage, v128.and(v128.load(from), firstBytes(rest)));
  return stage + 16;
}

/** XORs a range with its key stream and stages the ciphertext as stagePadded does. */
function xorPadded(stage: usize, at: usize, bytes: usize, stream: usize, opening: bool): usize {
  const end = at + (bytes & ~15);
  while (at < end) {
    const before = v128.load(at);
    const after = v128.xor(before, v128.load(stream));
    v128.store(at, after);
    v128.store(stage, opening ? before : after);
    at += 16;
    stream += 16;
    stage += 16;
  }
  const rest = bytes & 15;
  if (rest == 0) return stage;
  const inside = firstBytes(rest);
  const before = v128.load(at);
  const after = v128.xor(before, v128.and(v128.load(stream), inside));
  v128.store(at, after); // the tag's bytes stay as they are
  v128.store(stage, v128.and(opening ? before : after, inside));
  return stage + 16;
}

const MASKS = memory.data<u8>(
  // deno-fmt-ignore
  [
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  ],
  16,
);

/** Ones in the first `count` bytes, zeros behind. */
@inline
function firstBytes(count: usize): v128 {
  return v128.load(MASKS + 16 - count);
}

/** Writes or judges the tags of rows whose MACs are done. Gives the first that does not hold, else `none`. */
function settle(table: usize, from: u32, end: u32, none: u32, opening: bool): u32 {
  let record = RECORDS;
  for (let row = from; row < end; row++) {
    const at = table + <usize>row * ROW;
    const tagAt = <usize>load<u32>(at, 8) + load<u32>(at, 12);
    macTag(record, record + S, opening ? TAG : tagAt);
    if (opening && !tagHolds(tagAt, TAG)) return row;
    record += RECORD;
  }
  return none;
}

/** A record that is too large for the lanes. Opening: whether it holds. */
function single(slot: usize, at: usize, nonce: u64, opening: bool): bool {
  const bytes = <usize>load<u32>(at, 12);
  const payload = <usize>load<u32>(at, 8);
  const keyed = wantsKeyAhead(bytes);
  startStream(slot, 0, 0, <u32>nonce, <u32>(nonce >> 32));
  if (keyed) takeMacKey(slot, nonce);
  if (opening) {
    decrypt(keyed, load<u32>(at), load<u32>(at, 4), payload, bytes);
    return tagHolds(payload + bytes, TAG);
  }
  encrypt(keyed, load<u32>(at), load<u32>(at, 4), payload, bytes);
  v128.store(payload + bytes, v128.load(TAG));
  return true;
}

/** Its key block and its payload blocks. */
@inline
function lanesOf(bytes: u32): usize {
  return 1 + ((<usize>bytes + BLOCK - 1) >> 6);
}

/** Associated data, payload and lengths, each padded (RFC 8439 2.8). */
@inline
function macBlockCount(adBytes: usize, bytes: usize): usize {
  return ((adBytes + 15) >> 4) + ((bytes + 15) >> 4) + 1;
}

@inline
function turnsOf(adBytes: usize, bytes: usize): usize {
  return (macBlockCount(adBytes, bytes) + 2) / 3;
}
