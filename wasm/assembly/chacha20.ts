import { STATE } from "./memory";

/** Lays out the state (RFC 8439 2.3) from a 32-byte key and the three nonce words. */
export function startStream(key: usize, counter: u32, nonce0: u32, nonce1: u32, nonce2: u32): void {
  v128.store(STATE, i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)); // "expand 32-byte k"
  v128.store(STATE, v128.load(key), 16);
  v128.store(STATE, v128.load(key, 16), 32);
  store<u32>(STATE, counter, 48);
  store<u32>(STATE, nonce0, 52);
  store<u32>(STATE, nonce1, 56);
  store<u32>(STATE, nonce2, 60);
}

/** Which block of the key stream comes next. */
export function setCounter(block: u32): void {
  store<u32>(STATE, block, 48);
}
