/** Renews the certificate of a node over its channel at 30 % of its life, and again soon when that failed. */
import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { NodeCredentials, NodeIdentity } from "../driver/tls/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import { makeCsr, readNodeCertificate } from "../pki/mod.ts";
import type { Clock, Log, Random } from "../ports/mod.ts";
import type { NodeLink } from "./node_link.ts";

/** Part of the life that is left when it is time. */
const remainingShare = 0.3;
/** Part of what is left until the next attempt after a failure; at least {@link minRetryMs}. */
const retryShare = 0.2;
const minRetryMs = 1_000;

export interface CertificateRenewalOptions {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly link: () => NodeLink | undefined;
  /** Keeps it for the next start, before it is used. */
  readonly keep: (credentials: NodeCredentials) => Promise<void>;
  readonly onRenewal?: (result: string) => void;
}

/** Starts. Returns what ends it. */
export function renewCertificates(options: CertificateRenewalOptions): () => void {
  const { identity, clock, random, log, onRenewal } = options;
  let isOver = false;
  let cancel = () => {};
  const arm = (afterMs: number) => {
    if (isOver) return;
    cancel = clock.schedule(clock.now() + afterMs, () => void renew());
  };
  const renew = async () => {
    try {
      await renewOnce(options);
      onRenewal?.("ok");
      log("info", "node certificate renewed", { not_after: new Date(identity.endsAtMs).toISOString() });
      arm(untilRenewal(identity, clock, random));
    } catch (error) {
      onRenewal?.(codeOf(error));
      const leftMs = identity.endsAtMs - clock.wall();
      const retryMs = Math.max(minRetryMs, leftMs * retryShare * unit(random));
      log("warn", "node certificate not renewed", { code: codeOf(error), retry_ms: Math.round(retryMs) });
      arm(retryMs);
    }
  };
  arm(untilRenewal(identity, clock, random));
  return () => {
    isOver = true;
    cancel();
  };
}

/** Up to 5 % of the life earlier than 30 %, so that a thousand nodes do not come at once. */
function untilRenewal(identity: NodeIdentity, clock: Clock, random: Random): number {
  const { notBeforeMs, notAfterMs } = readNodeCertificate(identity.credentials.chain[0]);
  const lifeMs = notAfterMs - notBeforeMs;
  return Math.max(minRetryMs, notAfterMs - lifeMs * (remainingShare + 0.05 * unit(random)) - clock.wall());
}

async function renewOnce({ identity, link, keep }: CertificateRenewalOptions): Promise<void> {
  const channel = link();
  if (channel === undefined) {
    throw new PosternError(
      "node_channel_absent",
      "Cannot renew the certificate: there is no channel to control",
    );
  }
  const { privateKey, keys } = await makeKey();
  const chain = await channel.renew(await makeCsr(keys, identity.id));
  const credentials = { chain, privateKey };
  await keep(credentials);
  identity.replaceCredentials(credentials);
}

async function makeKey(): Promise<{ privateKey: string; keys: CryptoKeyPair }> {
  const made = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const P256 = { name: "ECDSA", namedCurve: "P-256" };
  const pkcs8 = made.privateKey.export({ type: "pkcs8", format: "der" }) as Uint8Array<ArrayBuffer>;
  const spki = made.publicKey.export({ type: "spki", format: "der" }) as Uint8Array<ArrayBuffer>;
  return {
    privateKey: String(made.privateKey.export({ type: "pkcs8", format: "pem" })),
    keys: {
      privateKey: await crypto.subtle.importKey("pkcs8", pkcs8, P256, false, ["sign"]),
      publicKey: await crypto.subtle.importKey("spki", spki, P256, true, ["verify"]),
    },
  };
}

function unit(random: Random): number {
  return new DataView(random(4).buffer).getUint32(0) / 0x1_0000_0000;
}
