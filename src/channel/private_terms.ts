/**
 * What both endpoints of a private channel have to mean alike before they say a byte: it comes from their grants, and is the
 * prologue of the handshake. Whoever changes any of it for one side ends the handshake.
 */
import { concat, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { privateSuite, PROTOCOL_VERSION, type SuiteName } from "./suite.ts";

export interface PrivateTerms {
  readonly channelId: string;
  /** End of the window in which both have to have come: Unix seconds. */
  readonly initExpireAtS: number;
  readonly idleTimeoutSeconds: number;
  /** Noise protocol names, in the order of the grant; those that are not known here too. */
  readonly allowedSuites: readonly string[];
  readonly defaultSuite: string;
}

/** How far the clocks of the endpoints, and of control, may be apart. */
export const PRIVATE_CLOCK_SKEW_MS = 30_000;

/** Length-prefixed fields: no two different terms make the same bytes. The initiator is the client, always. */
export function privatePrologue(suite: SuiteName, terms: PrivateTerms): Uint8Array<ArrayBuffer> {
  const { channelId, initExpireAtS, idleTimeoutSeconds, allowedSuites, defaultSuite } = terms;
  const fields = [
    "client",
    "server",
    channelId,
    String(initExpireAtS),
    String(idleTimeoutSeconds),
    defaultSuite,
    ...allowedSuites,
  ].map(utf8);
  return concat(
    utf8("postern private"),
    Uint8Array.of(PROTOCOL_VERSION, privateSuite(suite).id),
    ...fields.flatMap((field) => [u32(field.length), field]),
  );
}

/**
 * The suite to begin with: the grant's default, else the first of those that it allows and this side does.
 * @throws PosternError `handshake_suite_refused`
 */
export function chooseSuite(terms: PrivateTerms, allowed: readonly SuiteName[]): SuiteName {
  const names = [terms.defaultSuite, ...terms.allowedSuites];
  for (const protocolName of names) {
    const suite = allowed.find((name) => privateSuite(name).protocolName === protocolName);
    if (suite !== undefined) return suite;
  }
  throw new PosternError(
    "handshake_suite_refused",
    "Cannot open private channel: its grant allows no suite that is allowed here",
  );
}

/** Those of this side's suites that the grant allows as well. */
export function suitesInBoth(terms: PrivateTerms, allowed: readonly SuiteName[]): SuiteName[] {
  return allowed.filter((name) => terms.allowedSuites.includes(privateSuite(name).protocolName));
}

/** @throws PosternError `private_window_over` */
export function checkWindow(terms: PrivateTerms, wallMs: number): void {
  if (wallMs <= terms.initExpireAtS * 1_000 + PRIVATE_CLOCK_SKEW_MS) return;
  throw new PosternError(
    "private_window_over",
    "Cannot open private channel: the time in which both endpoints have to come is over",
  );
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
