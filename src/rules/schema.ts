/**
 * Rules as they are sent to control and stored with the tunnel: JSON, strict. An unknown member is refused, not passed
 * over: a rule that is not held must never look as if it were.
 *
 * A further rule is one more member here, its setting in src/config/rules.ts, its line in agent/service_rules.ts, and
 * whoever holds it in src/edge.
 */
import { z } from "zod";
import { parseAddressBlock } from "../bytes/mod.ts";
import { parsePasswordHash } from "../crypto/mod.ts";
import { isFieldName, isFieldValue, isManagedField } from "../http1/mod.ts";
import { isUserName } from "./users.ts";

/** Largest text of one service's rules. */
export const maxRulesBytes = 32_768;
/** Most blocks in one list; looking through all of them takes about a microsecond. */
export const maxRuleBlocks = 256;

const blocks = z.array(
  z.string().max(64).refine((text) => parseAddressBlock(text) !== undefined, {
    error: "must be an address block such as 10.0.0.0/8",
  }),
).max(maxRuleBlocks);

/** Most tokens a second, and most at once. */
export const maxRate = 1_000_000;

/** A token bucket. */
const rate = z.strictObject({
  /** Also below one: 0.5 is one in two seconds; not below one a day. */
  per_second: z.number().min(1 / 86_400).max(maxRate),
  /** At once, after a rest. */
  burst: z.int().min(1).max(maxRate),
});
export type RateRule = z.infer<typeof rate>;

/** Most users of one service. */
const maxUsers = 64;

/** What a quoted-string holds without quoting (RFC 9110 5.6.4), in ASCII. */
export const realmPattern = /^[ !#-[\]-~]{1,64}$/;

const basicAuth = z.strictObject({
  /** What browsers show. */
  realm: z.string().regex(realmPattern, {
    error: "must be 1 to 64 printable ASCII characters without quotes and backslashes",
  }).optional(),
  users: z.array(z.strictObject({
    name: z.string().min(1).max(64).refine(isUserName, {
      error: "must have no colon and no control characters",
    }),
    /** Never the password: `$scrypt$ln=14,r=8,p=1$SALT$HASH`, as `postern hash-password` prints it. */
    hash: z.string().max(200).refine((text) => parsePasswordHash(text) !== undefined, {
      error: "must be a scrypt hash as `postern hash-password` prints it",
    }),
  })).min(1).max(maxUsers).refine(
    (users) => new Set(users.map(({ name }) => name)).size === users.length,
    { error: "must name each user once" },
  ),
});
export type BasicAuthRule = z.infer<typeof basicAuth>;

/** Most fields in one list, and most characters of all fields of one message. */
export const maxRuleFields = 32;
const maxRuleFieldChars = 8_192;

const fieldName = z.string().min(1).max(128).refine((name) => isFieldName(name) && !isManagedField(name), {
  error:
    "must be a field name, and none that the edge itself says (framing, Host, X-Forwarded-*, X-Postern-*)",
});
const fieldValue = z.string().max(4_096).refine(isFieldValue, {
  error: "must be a field value: no control characters, no white space at its ends",
});
const fields = z.array(z.tuple([fieldName, fieldValue])).max(maxRuleFields);

/** Done in this order. */
const fieldRule = z.strictObject({
  remove: z.array(fieldName).max(maxRuleFields).optional(),
  /** In place of what is there. */
  set: fields.optional(),
  /** Beside what is there. */
  add: fields.optional(),
}).refine((rule) => JSON.stringify(rule).length <= maxRuleFieldChars, {
  error: `must not be longer than ${maxRuleFieldChars} characters`,
});
export type FieldRule = z.infer<typeof fieldRule>;

/** Most owners in one list. */
const maxRuleOwners = 64;
/** As `sub` of management tokens. */
const ownerPattern = /^[A-Za-z0-9._:@-]{1,128}$/;

export const rulesSchema = z.strictObject({
  /** When not empty, viewers from elsewhere are refused. */
  allow: blocks.optional(),
  /** Viewers from here are refused, also those that `allow` names. */
  deny: blocks.optional(),
  /** Requests of an HTTP service, new connections of any other, from all viewers together. */
  rate: rate.optional(),
  /** The same from each address (IPv6: each /64). */
  rate_per_address: rate.optional(),
  /** HTTP only: viewers show a name and password; the service does not see them. */
  basic_auth: basicAuth.optional(),
  /** HTTP only: fields of requests, on their way to the service. */
  request_headers: fieldRule.optional(),
  /** HTTP only: fields of the service's responses. */
  response_headers: fieldRule.optional(),
  /** Silence after which a flow of a udp service ends; clamped to what edges keep, see `clampRules`. */
  udp_idle_seconds: z.int().min(0).max(86_400).optional(),
  /** Private services only: owners besides its own who may open channels to it. */
  connect: z.array(z.string().regex(ownerPattern, { error: "must be the name of an owner" })).max(
    maxRuleOwners,
  ).optional(),
});
