/**
 * The sealing core: ChaCha20-Poly1305 in place, in WebAssembly. {@link loadCore} gives the port's `SealingCore`;
 * {@link seal} and {@link open} serve single messages with a nonce of the caller's, as a Noise handshake needs.
 */
export { loadCore, type LoadCoreOptions } from "./core.ts";
export { open, seal } from "./one_shot.ts";
