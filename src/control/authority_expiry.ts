/** When authorities end, and whether somebody has to act: nothing renews a root, and a rotation takes an operator. */
import { instant } from "../bytes/mod.ts";
import { type AcceptedAuthority, isAccepted } from "../pki/mod.ts";
import type { Log } from "../ports/mod.ts";
import type { AuthorityState } from "./authority_state.ts";

export type EndingKind = "root" | "issuing" | "trust_bundle";

/** Something that ends by itself. */
export interface Ending {
  readonly kind: EndingKind;
  /** Of the certificate; of a trust bundle that of its authority that lasts longest. */
  readonly sha256: string;
  readonly endsAtMs: number;
}

export interface EndingWarning extends Ending {
  readonly code: "ca_expires_soon" | "ca_expired";
}

/** A line of the log for each of them so often. */
const sayEveryMs = 86_400_000;

/**
 * What counts now, and until when. A trust bundle ends with the last of its issuing CAs, or the last of its roots: then nobody
 * believes anybody.
 */
export function endingsOf(state: AuthorityState, nowMs: number): Ending[] {
  const { bundle, current } = state;
  const accepted = (all: readonly AcceptedAuthority[]) =>
    all.filter((one) => isAccepted(one, nowMs)).map(({ certificate }) => certificate);
  const roots = accepted(bundle.roots);
  const issuers = accepted(bundle.issuers);
  const last = [roots, issuers].flatMap((all) => all.toSorted(byEnd).slice(-1)).sort(byEnd)[0];
  const ending = (kind: EndingKind) => ({ sha256, notAfterMs }: { sha256: string; notAfterMs: number }) => ({
    kind,
    sha256,
    endsAtMs: notAfterMs,
  });
  return [
    ...roots.map(ending("root")),
    ...issuers.filter(({ sha256 }) => current.includes(sha256)).map(ending("issuing")),
    ...(last === undefined ? [] : [ending("trust_bundle")(last)]),
  ];
}

/** Those that end within `warnMs`, the next one first. A root or issuing CA that another one outlives is followed already. */
export function endingWarnings(state: AuthorityState, nowMs: number, warnMs: number): EndingWarning[] {
  const endings = endingsOf(state, nowMs);
  const isFollowed = ({ kind, endsAtMs }: Ending) =>
    kind === "root" && endings.some((other) => other.kind === kind && other.endsAtMs > endsAtMs);
  return endings
    .filter((one) => one.endsAtMs - nowMs < warnMs && !isFollowed(one))
    .map((one) => ({
      ...one,
      code: one.endsAtMs <= nowMs ? "ca_expired" as const : "ca_expires_soon" as const,
    }))
    .sort((a, b) => a.endsAtMs - b.endsAtMs);
}

/** Writes each warning into the log once a day. */
export class EndingLog {
  readonly #log: Log;
  readonly #said = new Map<string, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  say(warnings: readonly EndingWarning[], nowMs: number): void {
    for (const { kind, sha256, endsAtMs, code } of warnings) {
      const name = `${kind} ${sha256} ${code}`;
      if (nowMs - (this.#said.get(name) ?? -Infinity) < sayEveryMs) continue;
      this.#said.set(name, nowMs);
      this.#log(code === "ca_expired" ? "error" : "warn", "authority of nodes ends", {
        code,
        kind,
        sha256,
        ends_at: instant(endsAtMs),
      });
    }
  }
}

function byEnd(a: { readonly notAfterMs: number }, b: { readonly notAfterMs: number }): number {
  return a.notAfterMs - b.notAfterMs;
}
