/** Whom Postern is measured beside. */
import { bore } from "./bore.ts";
import { chisel } from "./chisel.ts";
import { direct } from "./direct.ts";
import { frp } from "./frp.ts";
import { nginx } from "./nginx.ts";
import type { Peer } from "./peer.ts";
import { postern, posternWss } from "./postern.ts";
import { rathole } from "./rathole.ts";
import { ssh } from "./ssh.ts";

export { PEER_DIRECTORY } from "./install.ts";
export type { Link, Origin, Peer, StartOptions, Tunnel } from "./peer.ts";

/** Postern first: it is what every other one is compared with. */
export const PEERS: readonly Peer[] = [postern, posternWss, direct, chisel, frp, rathole, bore, ssh, nginx];
