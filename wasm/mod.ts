/**
 * The crypto core: ChaCha20-Poly1305 in place and BLAKE3, in WebAssembly. {@link loadCore} gives the port's `SealingCore`
 * that hashes as well; {@link seal}, {@link open} and {@link blake3} serve single messages, with keys and nonces of the
 * caller's.
 */
export { blake3, type Blake3Core, type Blake3Hasher, type Blake3Mode } from "./blake3.ts";
export { type CryptoCore, loadCore, type LoadCoreOptions } from "./core.ts";
export { open, seal } from "./one_shot.ts";
