/**
 * Handshake suites. The initiator's first byte names its suite and the prologue repeats it, so both are bound to the
 * same one; a responder that does not allow it refuses. There is no second attempt with a weaker suite.
 */
import { concat, utf8 } from "../bytes/mod.ts";
import {
  NOISE_XK_25519_CHACHAPOLY_SHA256,
  NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXPSK3_25519_CHACHAPOLY_SHA256,
} from "../crypto/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** `hybrid`: X25519 and ML-KEM-768, both must break. `classic`: X25519 alone. */
export type SuiteName = "hybrid" | "classic";

const SUITES: Readonly<Record<SuiteName, { id: number; protocolName: string }>> = {
  hybrid: { id: 1, protocolName: NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256 },
  classic: { id: 2, protocolName: NOISE_XK_25519_CHACHAPOLY_SHA256 },
};

/** Of private channels. The same numbers mean the same functions. */
const PRIVATE_SUITES: Readonly<Record<SuiteName, { id: number; protocolName: string }>> = {
  hybrid: { id: 1, protocolName: NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256 },
  classic: { id: 2, protocolName: NOISE_XXPSK3_25519_CHACHAPOLY_SHA256 },
};

/** Changes with every change of wire, handshake or stages that an older peer would misread. */
export const PROTOCOL_VERSION = 1;

export function suiteId(name: SuiteName): number {
  return SUITES[name].id;
}

export function suiteProtocolName(name: SuiteName): string {
  return SUITES[name].protocolName;
}

/** As grants of private channels name it, and as their handshake numbers it. */
export function privateSuite(name: SuiteName): { readonly id: number; readonly protocolName: string } {
  return PRIVATE_SUITES[name];
}

/** Ids are the same for both uses. @throws PosternError `handshake_suite_refused` for an unknown suite, or one that is not allowed */
export function suiteOfId(id: number, allowed: readonly SuiteName[]): SuiteName {
  const name = allowed.find((candidate) => SUITES[candidate].id === id);
  if (name === undefined) {
    throw new PosternError("handshake_suite_refused", `Cannot answer handshake: suite ${id} is not allowed`);
  }
  return name;
}

/** What both sides mix in before the first message: protocol, version, use and suite. */
export function tunnelPrologue(name: SuiteName): Uint8Array {
  return concat(utf8("postern tunnel"), Uint8Array.of(PROTOCOL_VERSION, SUITES[name].id));
}
