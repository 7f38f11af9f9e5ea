import { compress1, compress4, compress8 } from "./blake3_kernel";
import {
  copyBytes,
  DIGEST,
  HASH_BLOCK_BYTES,
  HASH_CHUNK,
  HASH_COUNTERS,
  HASH_FLAGS,
  HASH_NODES,
  HASH_POINTERS,
  HASH_SCRATCH,
  HASH_SCRATCH_END,
  HASH_VALUES,
  wipeBlocks,
} from "./memory";

// BLAKE3 (sections of the paper: 2.1 tree, 2.3 modes). A tree over chunks of 1024 bytes; pairs of neighbours become
// parents, level by level, and who has no neighbour goes up as it is. So 64 chunks are hashed eight at a time, then
// their 32 parents eight at a time, and so on: one chaining value. Those of the subtrees wait on a stack for their
// neighbours. The last one gets its neighbours only at the end, since the top of the tree is marked as the root.
//
// State of a hash:
//   0     32      36       40        48       52   64       1088    2816
//   | key | flags | waits  | chunks  | buffer |    | buffer | stack |
//   |     |       | (count)| counted | bytes  |    |        | 54 x 32 |

const FLAGS: usize = 32;
const WAITING: usize = 36;
const CHUNKS: usize = 40;
const BUFFERED: usize = 48;
const BUFFER: usize = 64;
const STACK: usize = 1088;
const STATE_BYTES: usize = 2816;

const CHUNK: usize = 1024;
const BLOCK: usize = 64;
const VALUE: usize = 32;
/** Chunks of a subtree that is hashed at once. */
const SUBTREE: usize = 64;
const LANE_COUNT: usize = 8;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

/** Begins a hash: the key words are at `key`, flags say the mode. */
export function hashBegin(state: usize, key: usize, flags: u32): void {
  v128.store(state, v128.load(key));
  v128.store(state, v128.load(key, 16), 16);
  store<u32>(state, flags, FLAGS);
  store<u32>(state, 0, WAITING);
  store<u64>(state, 0, CHUNKS);
  store<u32>(state, 0, BUFFERED);
}

/** Zeroes what a hash has used of its state. */
export function hashWipe(state: usize): void {
  wipeBlocks(state, STATE_BYTES);
}

/** Adds a range. One byte at least stays in the buffer: what is last is known only at the end. */
export function hashUpdate(state: usize, at: usize, bytes: usize): void {
  const buffered = <usize>load<u32>(state, BUFFERED);
  if (buffered != 0) {
    const room = CHUNK - buffered;
    if (bytes <= room) {
      copyBytes(state + BUFFER + buffered, at, bytes);
      store<u32>(state, <u32>(buffered + bytes), BUFFERED);
      return;
    }
    copyBytes(state + BUFFER + buffered, at, room);
    at += room;
    bytes -= room;
    chunkValue(state, state + BUFFER, CHUNK, load<u64>(state, CHUNKS), 0, HASH_NODES);
    push(state, 1);
  }
  bytes = takeSubtrees(state, at, bytes, CHUNK);
  at += moved;
  copyBytes(state + BUFFER, at, bytes);
  store<u32>(state, <u32>bytes, BUFFERED);
  wipeBlocks(HASH_SCRATCH, HASH_SCRATCH_END - HASH_SCRATCH);
}

/** Leaves the digest of what was added so far in DIGEST; more may be added. */
export function hashDigest(state: usize): void {
  const root = joinWaiting(state) == 0 ? ROOT : 0;
  chunkValue(state, state + BUFFER, load<u32>(state, BUFFERED), load<u64>(state, CHUNKS), root, HASH_NODES);
  finish(state);
  wipeBlocks(HASH_SCRATCH, HASH_SCRATCH_END - HASH_SCRATCH);
}

/** The digest of one range under a state that was just begun: lanes reach to the last chunk. */
export function hashOnce(state: usize, at: usize, bytes: usize): void {
  if (bytes <= CHUNK) {
    chunkValue(state, at, bytes, 0, ROOT, DIGEST);
    return;
  }
  bytes = takeSubtrees(state, at, bytes, CHUNK * SUBTREE);
  at += moved;
  const root = joinWaiting(state) == 0 ? ROOT : 0;
  const chunks = (bytes + CHUNK - 1) / CHUNK;
  leaves(state, at, bytes, chunks);
  reduce(state, chunks, root);
  finish(state);
  wipeBlocks(HASH_SCRATCH, HASH_SCRATCH_END - HASH_SCRATCH);
}

/** How far takeSubtrees has come. */
let moved: usize = 0;

/** Hashes whole subtrees as long as more than `keep` bytes are left; gives how many are left, and sets `moved`. */
function takeSubtrees(state: usize, at: usize, bytes: usize, keep: usize): usize {
  const start = at;
  while (bytes > keep) {
    // The largest power of two that lies where a subtree of its size begins, and leaves a byte behind it.
    const chunks = load<u64>(state, CHUNKS);
    let size = SUBTREE;
    while (size > 1 && ((chunks & (size - 1)) != 0 || size * CHUNK >= bytes)) size >>= 1;
    leaves(state, at, size * CHUNK, size);
    reduce(state, size, 0);
    push(state, size);
    at += size * CHUNK;
    bytes -= size * CHUNK;
  }
  moved = at - start;
  return bytes;
}

/** Chaining value of one chunk, whose bytes may be none. */
function chunkValue(state: usize, at: usize, bytes: usize, counter: u64, root: u32, to: usize): void {
  const mode = load<u32>(state, FLAGS);
  let value = state;
  let flags = mode | CHUNK_START;
  while (bytes > BLOCK) {
    compress1(value, at, <u32>BLOCK, counter, flags, to);
    value = to;
    flags = mode;
    at += BLOCK;
    bytes -= BLOCK;
  }
  if (bytes == BLOCK) {
    compress1(value, at, <u32>BLOCK, counter, flags | CHUNK_END | root, to);
    return;
  }
  wipeBlocks(HASH_CHUNK, BLOCK);
  copyBytes(HASH_CHUNK, at, bytes);
  compress1(value, HASH_CHUNK, <u32>bytes, counter, flags | CHUNK_END | root, to);
  wipeBlocks(HASH_CHUNK, BLOCK);
}

/** Chaining values of chunks below the root, the last perhaps in part, in HASH_NODES. */
function leaves(state: usize, at: usize, bytes: usize, chunks: usize): void {
  const counter = load<u64>(state, CHUNKS);
  for (let first: usize = 0; first < chunks; first += LANE_COUNT) {
    const from = at + first * CHUNK;
    const rest = bytes - first * CHUNK;
    const to = HASH_NODES + first * VALUE;
    if (rest <= CHUNK) chunkValue(state, from, rest, counter + first, 0, to);
    else chunkLanes(state, from, rest < LANE_COUNT * CHUNK ? rest : LANE_COUNT * CHUNK, counter + first, to);
  }
}

/** Up to eight chunks that lie behind one another, side by side. */
function chunkLanes(state: usize, at: usize, bytes: usize, counter: u64, to: usize): void {
  const mode = load<u32>(state, FLAGS);
  const lanes = (bytes + CHUNK - 1) / CHUNK;
  const lastBytes = bytes - (lanes - 1) * CHUNK;
  const last = lanes - 1;
  /** Index of the last block of the last chunk. */
  const lastBlock = (lastBytes - 1) / BLOCK;
  for (let lane: usize = 0; lane < LANE_COUNT; lane++) {
    // Lanes without a chunk repeat the first.
    setLane(lane, lane < lanes ? at + lane * CHUNK : at, lane < lanes ? counter + lane : counter);
  }
  if (lastBytes < CHUNK) {
    wipeBlocks(HASH_CHUNK, CHUNK);
    copyBytes(HASH_CHUNK, at + last * CHUNK, lastBytes);
    store<u32>(HASH_POINTERS + (last << 2), <u32>HASH_CHUNK);
  }
  keyLanes(state);
  splat(HASH_BLOCK_BYTES, <u32>BLOCK);
  let block: usize = 0;
  while (block < 16) {
    let flags = mode;
    if (block == 0) flags |= CHUNK_START;
    if (block == 15) flags |= CHUNK_END;
    splat(HASH_FLAGS, flags);
    let next: usize = block == 0 ? 1 : block == 15 ? 16 : 15;
    if (block < lastBlock && lastBlock < next) next = lastBlock;
    if (block == lastBlock && lastBlock < 16) {
      next = block + 1;
      store<u32>(HASH_FLAGS + (last << 2), flags | CHUNK_END);
      store<u32>(HASH_BLOCK_BYTES + (last << 2), <u32>(lastBytes - BLOCK * lastBlock));
    }
    if (lanes > 4) compress8(<u32>(next - block));
    else compress4(<u32>(next - block));
    if (block == lastBlock) takeLane(last, to + last * VALUE);
    for (let lane: usize = 0; lane < LANE_COUNT; lane++) advanceLane(lane, (next - block) * BLOCK);
    block = next;
  }
  storeLanes(to, last);
  if (lastBytes < CHUNK) wipeBlocks(HASH_CHUNK, CHUNK);
}

/** Pairs the first `nodes` of HASH_NODES until one is left there; `root` marks the last pair. */
function reduce(state: usize, nodes: usize, root: u32): void {
  const flags = load<u32>(state, FLAGS) | PARENT;
  while (nodes > 1) {
    const parents = nodes >> 1;
    for (let first: usize = 0; first < parents; first += LANE_COUNT) {
      const rest = parents - first;
      const lanes = rest < LANE_COUNT ? rest : LANE_COUNT;
      const from = HASH_NODES + 2 * first * VALUE;
      const to = HASH_NODES + first * VALUE;
      if (lanes == 1) {
        compress1(state, from, <u32>BLOCK, 0, nodes == 2 ? flags | root : flags, to);
        continue;
      }
      for (let lane: usize = 0; lane < LANE_COUNT; lane++) {
        setLane(lane, lane < lanes ? from + lane * BLOCK : from, 0);
      }
      keyLanes(state);
      splat(HASH_BLOCK_BYTES, <u32>BLOCK);
      splat(HASH_FLAGS, flags);
      if (lanes > 4) compress8(1);
      else compress4(1);
      storeLanes(to, lanes);
    }
    if ((nodes & 1) != 0) moveValue(HASH_NODES + parents * VALUE, HASH_NODES + (nodes - 1) * VALUE);
    nodes = parents + (nodes & 1);
  }
}

/** Puts the value in HASH_NODES, of `size` chunks, on the stack. */
function push(state: usize, size: usize): void {
  const waiting = joinWaiting(state);
  moveValue(state + STACK + waiting * VALUE, HASH_NODES);
  store<u32>(state, <u32>(waiting + 1), WAITING);
  store<u64>(state, load<u64>(state, CHUNKS) + size, CHUNKS);
}

/**
 * Something follows: whole subtrees that wait side by side become parents, until as many wait as the count of chunks
 * has ones (section 5.1.2). Gives how many.
 */
function joinWaiting(state: usize): usize {
  const ones = <usize>popcnt<u64>(load<u64>(state, CHUNKS));
  let waiting = <usize>load<u32>(state, WAITING);
  const flags = load<u32>(state, FLAGS) | PARENT;
  const top = state + STACK;
  while (waiting > ones) {
    const pair = top + (waiting - 2) * VALUE;
    compress1(state, pair, <u32>BLOCK, 0, flags, pair);
    waiting--;
  }
  store<u32>(state, <u32>waiting, WAITING);
  return waiting;
}

/** Pairs the value in HASH_NODES with all that waits; what comes out is the root. The stack stays as it is. */
function finish(state: usize): void {
  const flags = load<u32>(state, FLAGS) | PARENT;
  for (let waiting = <usize>load<u32>(state, WAITING); waiting > 0; waiting--) {
    moveValue(HASH_NODES + VALUE, HASH_NODES);
    moveValue(HASH_NODES, state + STACK + (waiting - 1) * VALUE);
    compress1(state, HASH_NODES, <u32>BLOCK, 0, waiting == 1 ? flags | ROOT : flags, HASH_NODES);
  }
  moveValue(DIGEST, HASH_NODES);
}

@inline
function setLane(lane: usize, at: usize, counter: u64): void {
  store<u32>(HASH_POINTERS + (lane << 2), <u32>at);
  store<u32>(HASH_COUNTERS + (lane << 2), <u32>counter);
  store<u32>(HASH_COUNTERS + (lane << 2), <u32>(counter >> 32), 32);
}

@inline
function advanceLane(lane: usize, bytes: usize): void {
  const pointer = HASH_POINTERS + (lane << 2);
  store<u32>(pointer, load<u32>(pointer) + <u32>bytes);
}

/** Every lane begins with the key words. */
function keyLanes(state: usize): void {
  for (let word: usize = 0; word < 8; word++) splat(HASH_VALUES + (word << 5), load<u32>(state + (word << 2)));
}

/** One word into eight lanes. */
@inline
function splat(at: usize, word: u32): void {
  const wide = i32x4.splat(word);
  v128.store(at, wide);
  v128.store(at, wide, 16);
}

/** The values of the first lanes, one behind the other. */
function storeLanes(to: usize, lanes: usize): void {
  for (let lane: usize = 0; lane < lanes; lane++) takeLane(lane, to + lane * VALUE);
}

function takeLane(lane: usize, to: usize): void {
  const from = HASH_VALUES + (lane << 2);
  for (let word: usize = 0; word < 8; word++) store<u32>(to + (word << 2), load<u32>(from + (word << 5)));
}

@inline
function moveValue(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}
