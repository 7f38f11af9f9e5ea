/**
 * What nodes say to each other over mutual TLS, as length-framed JSON. One end hosts (control, or a connector), the other one calls
 * (a connector, or a tunneler).
 *
 * ```
 * frame      length u32, big endian | JSON, UTF-8
 *
 * caller                                            host
 *   hello      version, private ip, what it holds ->
 *                                                <- welcome     nonce of this channel, cadence, who may come to a connector
 *   heartbeat  every 10 s, with its tunnelers     ->
 *                                                <- echo        a nonce; for a tunneler, by way of its connector
 *   echo       the same nonce: only now online    ->
 *   refused    whom it did not let in             ->
 *                                                <- access      who may come to a connector, whenever that changed
 *                                                <- trust       bundles and revocations, whenever the host has newer ones
 *   identity   renewed certificate, with a proof  <-> identity  as well
 *   renew      a request for the next certificate ->
 *                                                <- renewed     the certificate, or why not
 *   close                                         <-> close     with a code
 * ```
 */
import { z } from "zod";
import { isNodeId, parseSpiffeId } from "../pki/mod.ts";
import { maxToldRefusals } from "./refusal_book.ts";

export const nodeProtocolVersion = 1;

/** Bytes of the longest frame that a caller sends: a heartbeat with 256 tunnelers has some 40 KiB. */
export const maxCallerFrameBytes = 65_536;
/** Bytes of the longest frame that a host sends: a revocation list with 10,000 entries. */
export const maxHostFrameBytes = 8 * 1_024 * 1_024;
/** Tunnelers of one connector. */
const maxTunnelers = 256;
/** Characters of a nonce. */
const maxNonceChars = 64;

const id = z.string().refine(isNodeId);
const version = z.string().regex(/^[0-9A-Za-z.+-]{1,64}$/);
const ip = z.union([z.ipv4(), z.ipv6()]);
const nonce = z.string().min(1).max(maxNonceChars);
const counter = z.int().min(0);
/** A code of the catalogue, as the peer says it: compared, never trusted. */
const code = z.string().regex(/^[a-z0-9_]{1,64}$/);
const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
const chain = z.array(base64url.max(12_000)).min(1).max(4);
const document = z.object({
  payload: z.string(),
  signatures: z.array(z.object({ by: z.string(), signature: z.string() })),
});

/** Ids of tunnelers that may come to this connector, with `*` for any number of characters. */
const patterns = z.array(z.string().regex(/^[A-Za-z0-9._*-]{1,64}$/)).max(10_000);
const spiffeId = z.string().max(384).refine(isSpiffeId);

const tunnelerReport = z.strictObject({
  id,
  version,
  private_ip: ip.optional(),
});
export type TunnelerReport = z.infer<typeof tunnelerReport>;

const close = z.strictObject({ type: z.literal("close"), code });
const echo = z.strictObject({ type: z.literal("echo"), nonce, tunneler: id.optional() });

const identity = z.strictObject({ type: z.literal("identity"), chain, proof: base64url.max(200) });

const callerMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("hello"),
    protocol: z.int().min(1).max(1_000),
    /** What the host signs when its own certificate is renewed. */
    nonce,
    version,
    private_ip: ip.optional(),
    bundle_version: counter,
  }),
  z.strictObject({
    type: z.literal("heartbeat"),
    seq: counter,
    version,
    private_ip: ip.optional(),
    /** Of the newest bundle that it holds: what is newer is sent. */
    bundle_version: counter,
    tunnelers: z.array(tunnelerReport).max(maxTunnelers),
  }),
  echo,
  identity,
  z.strictObject({
    type: z.literal("refused"),
    refusals: z.array(z.strictObject({
      code,
      node: spiffeId.optional(),
      address: ip.optional(),
      count: counter,
    })).min(1).max(maxToldRefusals),
  }),
  z.strictObject({ type: z.literal("renew"), csr: base64url.max(3_000) }),
  close,
]);
export type CallerMessage = z.infer<typeof callerMessage>;

const hostMessage = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("welcome"),
    protocol: z.int().min(1).max(1_000),
    nonce,
    heartbeat_ms: z.int().min(100).max(3_600_000),
    offline_ms: z.int().min(200).max(7_200_000),
    tunnelers: patterns,
  }),
  z.strictObject({ type: z.literal("access"), tunnelers: patterns }),
  echo,
  identity,
  z.strictObject({
    type: z.literal("trust"),
    trust_bundles: z.array(document).max(64),
    revocations: document,
  }),
  z.strictObject({
    type: z.literal("renewed"),
    chain: chain.optional(),
    code: code.optional(),
  }),
  close,
]);
export type HostMessage = z.infer<typeof hostMessage>;
export type TrustMessage = Extract<HostMessage, { type: "trust" }>;

/** Undefined for what is no message of a caller. */
export function readCallerMessage(value: unknown): CallerMessage | undefined {
  return callerMessage.safeParse(value).data;
}

/** Undefined for what is no message of a host. */
export function readHostMessage(value: unknown): HostMessage | undefined {
  return hostMessage.safeParse(value).data;
}

function isSpiffeId(text: string): boolean {
  try {
    return parseSpiffeId(text).id !== "";
  } catch {
    return false;
  }
}
