import { hashWasm } from "./hash_wasm.ts";
import { libsodium } from "./libsodium.ts";
import { noble } from "./noble.ts";
import { nodeCrypto, nodeSha256 } from "./node_crypto.ts";
import type { Peer } from "./peer.ts";
import { postern } from "./postern.ts";
import { webCrypto } from "./web_crypto.ts";

export { NATIVE_PEERS, opensslVersion } from "./openssl.ts";
export type { Peer, Task } from "./peer.ts";

/** Postern first; the order of the table's columns. */
export const PEERS: readonly Peer[] = [
  postern,
  nodeCrypto,
  webCrypto,
  libsodium,
  noble,
  hashWasm,
  nodeSha256,
];
