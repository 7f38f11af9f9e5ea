/** ChannelInitGrant: what one endpoint needs to open a private channel. Secret as a whole: it holds key and token. */
import { z } from "zod";
import { fromBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { base64Url32, clockSkewSeconds, maxTokenChars } from "../identity/mod.ts";

/** Longest JSON text of a grant. */
export const maxGrantChars = 16_384;
/** Longest window in which both endpoints may come, from the moment of issue. */
export const maxInitWindowSeconds = 600;
export const maxIdleTimeoutSeconds = 3_600;
const maxUrlChars = 512;
const maxSuites = 8;
/** Longest protocol name: Noise, section 8. */
const maxSuiteChars = 255;

export const grantRoles = ["client", "server"] as const;
/** `client` asked for the channel, and is the initiator of the handshake. */
export type GrantRole = typeof grantRoles[number];

/** Made of at least 12 random bytes; {@link channelIdBytes} when control makes it. */
export const channelIdSchema = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, {
  error: "must be 16 to 64 characters of base64url",
});
/** Random bytes of an id that control makes. */
export const channelIdBytes = 24;

/** Nothing secret is ever in a URL, and a grant must not lead anywhere by a trick of one. */
const tunnelUrl = z.string().max(maxUrlChars).refine((text) => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "wss:" || url.protocol === "ws:") && url.username === "" &&
    url.password === "" && url.search === "" && url.hash === "";
}, { error: "must be a ws or wss URL without credentials, query and fragment" });

const suiteName = z.string().max(maxSuiteChars).regex(/^Noise_[A-Za-z0-9_+/]+$/);

/** Unknown fields are dropped: an older endpoint must be able to read a newer grant. */
const grantSchema = z.object({
  /** Where both endpoints attach. */
  tunnel_url: tunnelUrl,
  channel_id: channelIdSchema,
  /** End of the window in which both have to have come: Unix seconds. The same on both sides. */
  channel_init_expire_at_unix_s: z.int().min(1).max(8_640_000_000_000),
  /** A channel without a record for so long is closed by the edge. The same on both sides. */
  idle_timeout_seconds: z.int().min(1).max(maxIdleTimeoutSeconds),
  role: z.enum(grantRoles),
  /** Attach token of this role, single use. Secret. */
  token: z.string().min(16).max(maxTokenChars),
  /** Pre-shared key of both endpoints, 32 bytes: one factor, beside their own keys. Secret. */
  e2ee_psk_b64u: base64Url32,
  /** Noise protocol names. */
  allowed_suites: z.array(suiteName).min(1).max(maxSuites),
  default_suite: suiteName,
  /**
   * The other endpoint's static public key, where control was told it: base64url of 32 bytes. Control's word for it is
   * as good as control; who wants more pins the key.
   */
  peer_static_key: base64Url32.optional(),
  /** The agent that is the other endpoint, where control knows it. */
  peer_agent_id: z.string().min(1).max(128).regex(/^[A-Za-z0-9._:@-]+$/).optional(),
}).refine(({ allowed_suites, default_suite }) => allowed_suites.includes(default_suite), {
  path: ["default_suite"],
  error: "must be one of allowed_suites",
});
export type ChannelInitGrant = Readonly<z.infer<typeof grantSchema>>;

/** What an endpoint demands of a grant. */
export interface GrantExpectation {
  readonly role: GrantRole;
  /** Wall clock, Unix milliseconds. */
  readonly nowMs: number;
  /** Clock difference that is forgiven; that of tokens unless given. */
  readonly clockSkewMs?: number;
}

/** As JSON text. Secret. */
export function formatGrant(grant: ChannelInitGrant): string {
  return JSON.stringify(grant);
}

/** Reads peer text. Throws `grant_malformed`, `grant_wrong_role`, `grant_expired`. */
export function parseGrant(text: string, expect: GrantExpectation): ChannelInitGrant {
  if (text.length > maxGrantChars) throw malformed(`it is longer than ${maxGrantChars} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without its cause: that quotes the text, which holds secrets.
    throw malformed("it is no JSON text");
  }
  return readGrant(value, expect);
}

/** As {@link parseGrant}, of a value that was read from JSON. */
export function readGrant(value: unknown, expect: GrantExpectation): ChannelInitGrant {
  const parsed = grantSchema.safeParse(value);
  if (!parsed.success) {
    throw malformed(`${parsed.error.issues[0].path.join(".") || "it"} is out of form`);
  }
  const grant = parsed.data;
  if (grant.role !== expect.role) {
    throw new PosternError("grant_wrong_role", `Cannot use grant: it is for the ${grant.role}`);
  }
  const skewMs = expect.clockSkewMs ?? clockSkewSeconds * 1_000;
  const leftMs = grant.channel_init_expire_at_unix_s * 1_000 - expect.nowMs;
  if (leftMs + skewMs < 0) {
    throw new PosternError("grant_expired", "Cannot use grant: the time to come to its channel is over");
  }
  if (leftMs - skewMs > maxInitWindowSeconds * 1_000) {
    throw malformed(`its window is longer than ${maxInitWindowSeconds} seconds`);
  }
  return grant;
}

/** The pre-shared key of a grant: 32 bytes, owned by the caller, who wipes it. */
export function pskOf(grant: Pick<ChannelInitGrant, "e2ee_psk_b64u">): Uint8Array<ArrayBuffer> {
  return fromBase64Url(grant.e2ee_psk_b64u);
}

function malformed(state: string): PosternError {
  return new PosternError("grant_malformed", `Cannot use grant: ${state}`);
}
