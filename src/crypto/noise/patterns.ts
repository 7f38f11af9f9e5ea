/** Handshake patterns (section 7) and the modifiers psk (section 9) and hfs (Noise HFS draft, revision 1). */
import { PosternError } from "../../errors/mod.ts";

/** What a message carries and mixes in, in this order (7.1; `e1` and `ekem1` from the HFS draft, section 4). */
export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk" | "e1" | "ekem1";

/** A pattern with its modifiers applied. */
export interface HandshakePattern {
  /** As in protocol names: "XK", "XXpsk3", "XKhfs". */
  readonly name: string;
  /** Whether the responder knows the initiator's static key beforehand (pre-message `-> s`). */
  readonly initiatorStaticKnown: boolean;
  /** Whether the initiator knows the responder's static key beforehand (pre-message `<- s`). */
  readonly responderStaticKnown: boolean;
  /** The first message is the initiator's, then they alternate. */
  readonly messages: readonly (readonly Token[])[];
  /** One message only: the responder may never send (7.4). */
  readonly oneWay: boolean;
  /** How many pre-shared keys are mixed in. */
  readonly psks: number;
  /** Whether a KEM takes part. */
  readonly hfs: boolean;
}

/** As printed in the specification, on one line each. */
const PATTERNS: Readonly<Record<string, string>> = {
  // 7.4 one-way
  N: "<- s ... -> e, es",
  K: "-> s <- s ... -> e, es, ss",
  X: "<- s ... -> e, es, s, ss",
  // 7.5 fundamental
  NN: "-> e <- e, ee",
  NK: "<- s ... -> e, es <- e, ee",
  NX: "-> e <- e, ee, s, es",
  XN: "-> e <- e, ee -> s, se",
  XK: "<- s ... -> e, es <- e, ee -> s, se",
  XX: "-> e <- e, ee, s, es -> s, se",
  KN: "-> s ... -> e <- e, ee, se",
  KK: "-> s <- s ... -> e, es, ss <- e, ee, se",
  KX: "-> s ... -> e <- e, ee, se, s, es",
  IN: "-> e, s <- e, ee, se",
  IK: "<- s ... -> e, es, s, ss <- e, ee, se",
  IX: "-> e, s <- e, ee, se, s, es",
  // 7.6 and 18.1 deferred
  NK1: "<- s ... -> e <- e, ee, es",
  NX1: "-> e <- e, ee, s -> es",
  X1N: "-> e <- e, ee -> s <- se",
  X1K: "<- s ... -> e, es <- e, ee -> s <- se",
  XK1: "<- s ... -> e <- e, ee, es -> s, se",
  X1K1: "<- s ... -> e <- e, ee, es -> s <- se",
  X1X: "-> e <- e, ee, s, es -> s <- se",
  XX1: "-> e <- e, ee, s -> es, s, se",
  X1X1: "-> e <- e, ee, s -> es, s <- se",
  K1N: "-> s ... -> e <- e, ee -> se",
  K1K: "-> s <- s ... -> e, es <- e, ee -> se",
  KK1: "-> s <- s ... -> e <- e, ee, se, es",
  K1K1: "-> s <- s ... -> e <- e, ee, es -> se",
  K1X: "-> s ... -> e <- e, ee, s, es -> se",
  KX1: "-> s ... -> e <- e, ee, se, s -> es",
  K1X1: "-> s ... -> e <- e, ee, s -> se, es",
  I1N: "-> e, s <- e, ee -> se",
  I1K: "<- s ... -> e, es, s <- e, ee -> se",
  IK1: "<- s ... -> e, s <- e, ee, se, es",
  I1K1: "<- s ... -> e, s <- e, ee, es -> se",
  I1X: "-> e, s <- e, ee, s, es -> se",
  IX1: "-> e, s <- e, ee, se, s -> es",
  I1X1: "-> e, s <- e, ee, s -> se, es",
};

/** The names of all patterns without modifiers. */
export const PATTERN_NAMES: readonly string[] = Object.freeze(Object.keys(PATTERNS));

/**
 * The pattern of a name with modifiers, as in "XXpsk0+psk3" or "XKhfs".
 * Throws `noise_protocol_unsupported` for unknown patterns and modifiers, repeated modifiers, and modifiers that do not
 * fit the pattern.
 */
export function parsePattern(name: string): HandshakePattern {
  const [, base, modifierText] = /^([A-Z0-9]+)(.*)$/.exec(name) ?? [];
  if (base === undefined || !Object.hasOwn(PATTERNS, base)) throw unsupported(name, "the pattern is unknown");
  const [opening, body] = PATTERNS[base].includes("...") ? PATTERNS[base].split("...") : ["", PATTERNS[base]];
  const messages = body.split(/->|<-/).slice(1).map((line) => line.trim().split(", ") as Token[]);
  const oneWay = messages.length === 1;
  const modifiers = modifierText === "" ? [] : modifierText.split("+");
  if (new Set(modifiers).size !== modifiers.length) throw unsupported(name, "a modifier is repeated");
  for (const modifier of modifiers) {
    if (modifier === "hfs") {
      if (oneWay) throw unsupported(name, "a one-way pattern has no reply to carry the KEM ciphertext");
      applyHfs(messages);
    } else {
      const [, digits] = /^psk(0|[1-9])$/.exec(modifier) ?? [];
      if (digits === undefined) throw unsupported(name, "the modifier is unknown");
      applyPsk(messages, Number(digits), name);
    }
  }
  return {
    name,
    initiatorStaticKnown: opening.includes("-> s"),
    responderStaticKnown: opening.includes("<- s"),
    messages,
    oneWay,
    psks: messages.flat().filter((token) => token === "psk").length,
    hfs: modifiers.includes("hfs"),
  };
}

/** Whether this side sends or pre-shares a static key in the pattern, and so needs one. */
export function needsLocalStatic(pattern: HandshakePattern, initiator: boolean): boolean {
  const known = initiator ? pattern.initiatorStaticKnown : pattern.responderStaticKnown;
  return known || pattern.messages.some((tokens, i) => (i % 2 === 0) === initiator && tokens.includes("s"));
}

/** Whether this side has to know the other's static key beforehand. */
export function needsRemoteStatic(pattern: HandshakePattern, initiator: boolean): boolean {
  return initiator ? pattern.responderStaticKnown : pattern.initiatorStaticKnown;
}

/** Section 9.4: psk0 opens the first message, pskN closes the Nth. */
function applyPsk(messages: Token[][], position: number, name: string): void {
  if (position > messages.length) throw unsupported(name, "it has no message for this psk modifier");
  if (position === 0) messages[0].unshift("psk");
  else messages[position - 1].push("psk");
}

/**
 * HFS draft, section 5: `e1` follows the first `e`, or the DH behind it in the same message so that the KEM public key
 * travels encrypted; `ekem1` follows the first `ee`.
 */
function applyHfs(messages: Token[][]): void {
  const first = messages[0];
  const dh = first.findIndex((token) => isDhToken(token));
  first.splice((dh === -1 ? first.indexOf("e") : dh) + 1, 0, "e1");
  // In every interactive pattern the second message answers with "e, ee".
  const second = messages[1];
  second.splice(second.indexOf("ee") + 1, 0, "ekem1");
}

function isDhToken(token: Token): token is "ee" | "es" | "se" | "ss" {
  return token === "ee" || token === "es" || token === "se" || token === "ss";
}

function unsupported(name: string, state: string): PosternError {
  return new PosternError(
    "noise_protocol_unsupported",
    `Cannot use the handshake pattern ${JSON.stringify(name)}: ${state}`,
  );
}
