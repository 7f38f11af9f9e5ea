/** Carries what this node holds on disk to the connections that show it, and never the older of two. */
import { der } from "../../src/bytes/mod.ts";
import { NodeIdentity as ShownIdentity } from "../../src/driver/tls/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import type { Clock, Log } from "../../src/ports/mod.ts";
import type { HeldIdentity, NodeIdentity } from "../identity/mod.ts";

/** A list that was signed anew without another entry is not announced: it is taken over so often. */
const TAKE_EVERY_MS = 5_000;

/** Follows `held` until what it returns is called. Throws `node_credentials_unusable`. */
export function showIdentity(
  held: NodeIdentity,
  { clock, log, onRenewal }: {
    readonly clock: Clock;
    readonly log: Log;
    readonly onRenewal: (result: string) => void;
  },
): { readonly identity: ShownIdentity; stop(): void } {
  let shown = held.held.certificate;
  const identity = new ShownIdentity(credentialsOf(held.held), held.held);
  const take = () => {
    const now = held.held;
    if (now.certificate !== shown) {
      try {
        identity.replaceCredentials(credentialsOf(now));
        shown = now.certificate;
        onRenewal("ok");
        log("info", "node certificate renewed", { not_after: new Date(identity.endsAtMs).toISOString() });
      } catch (error) {
        onRenewal(codeOf(error));
        log("error", "node certificate not usable", { code: codeOf(error) });
      }
    }
    const { bundle, revocations } = identity.trust;
    const newer = {
      bundle: now.bundle.version > bundle.version ? now.bundle : bundle,
      revocations: now.revocations.issuedAtMs > revocations.issuedAtMs &&
          now.revocations.version >= revocations.version
        ? now.revocations
        : revocations,
    };
    if (newer.bundle !== bundle || newer.revocations !== revocations) identity.replaceTrust(newer);
  };
  let cancel = () => {};
  const later = () =>
    cancel = clock.schedule(clock.now() + TAKE_EVERY_MS, () => {
      take();
      later();
    });
  later();
  const forget = held.onChange(take);
  return {
    identity,
    stop() {
      forget();
      cancel();
    },
  };
}

function credentialsOf({ chain, keys }: HeldIdentity) {
  return { chain, privateKey: der.toPem("PRIVATE KEY", keys.pkcs8) };
}
