/** Hashing what lies in memory: the core's BLAKE3 beside hash-wasm's, and SHA-256 for scale. */
import { METRICS } from "./aead/metrics.ts";
import { benchGroups } from "./aead/groups.ts";

benchGroups(METRICS.filter(({ operation }) => operation === "hash"));
