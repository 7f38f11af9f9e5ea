/** Whom Postern is measured beside. */
import { chisel } from "./chisel.ts";
import { direct } from "./direct.ts";
import type { Peer } from "./peer.ts";
import { postern } from "./postern.ts";
import { ssh } from "./ssh.ts";

export { PEER_DIRECTORY } from "./install.ts";
export type { Origin, Peer, StartOptions, Tunnel } from "./peer.ts";

/** Postern first: it is what every other one is compared with. */
export const PEERS: readonly Peer[] = [postern, direct, chisel, ssh];
