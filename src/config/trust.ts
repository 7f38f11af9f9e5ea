/** Whom an edge believes, and for how long. */
import { duration, path, someOf, textList, toggle, url } from "./values.ts";
import { tierSchema } from "../identity/mod.ts";
import { optional, setting } from "./setting.ts";
import { tokenVerificationSettings } from "./token_verification.ts";
import { dayMs, hourMs } from "./units.ts";

/** Lifetimes of what control signs, longer ones leave a stolen token useful for longer; and who verifies tokens. */
export const tokenSettings = {
  stage0Ms: setting(
    duration(1000, 600_000),
    "60s",
    "Life of a token that opens a handshake (single use).",
    "DURATION",
  ),
  stage1Ms: setting(
    duration(1000, 600_000),
    "30s",
    "Life of a token that ends an attested handshake.",
    "DURATION",
  ),
  managementMs: setting(duration(60_000, 30 * dayMs), "24h", "Life of a management token.", "DURATION"),
  /** Refreshing goes on until then, and no longer. */
  managementFamilyMs: setting(
    duration(60_000, 365 * dayMs),
    "30d",
    "Time for which a management token and those refreshed out of it are valid.",
    "DURATION",
  ),
  recreateMs: setting(
    duration(60_000, 7 * dayMs),
    "1h",
    "Life of a recreate token when none is asked for.",
    "DURATION",
  ),
  recreateMaxMs: setting(duration(60_000, 30 * dayMs), "7d", "Longest life of a recreate token.", "DURATION"),
  enrollmentMs: setting(
    duration(60_000, 30 * dayMs),
    "1h",
    "Life of a token that lets a machine enroll (single use) when none is asked for.",
    "DURATION",
  ),
  /** Also how long a used token id is remembered past its expiry. */
  clockSkewMs: setting(duration(0, 300_000), "30s", "Difference of clocks that is forgiven.", "DURATION"),
  ...tokenVerificationSettings,
} as const;

/** Who is believed. An agent with a key in a file proves only that it is the same one as before. */
export const attestationSettings = {
  rootsDirectory: optional(
    path(),
    "Certificates of TPM manufacturers, in PEM or DER, read with all directories below; read again on SIGHUP.",
    "DIR",
  ),
  revocationsFile: optional(
    path(),
    "Certificates and keys of TPMs that are not trusted any more, in JSON; read again on SIGHUP.",
    "FILE",
  ),
  tiers: setting(
    someOf(...tierSchema.options),
    tierSchema.options.join(","),
    "Kinds of agents that are admitted: those that attest with a TPM, those with a key in a file (weaker).",
    tierSchema.options.join(","),
  ),
  requirePolicy: setting(
    toggle(),
    "false",
    "Whether machines with a TPM are refused as long as no policy is assigned to them.",
    "BOOL",
  ),
} as const;

/** Lifetimes of what nodes are known by. A stolen key is good for as long, unless it is revoked; each renewal is two writes. */
export const identitySettings = {
  connectorMs: setting(duration(20_000, 30 * dayMs), "5m", "Life of a connector's certificate.", "DURATION"),
  tunnelerMs: setting(duration(20_000, 30 * dayMs), "30m", "Life of a tunneler's certificate.", "DURATION"),
  nodeMs: setting(
    duration(60_000, 30 * dayMs),
    "24h",
    "Life of the certificate of an edge or a control.",
    "DURATION",
  ),
  /** Connectors may be off for longer than five minutes. */
  graceMs: setting(
    duration(0, 30 * dayMs),
    "24h",
    "Time after its end for which a certificate's key still renews it; then the node has to be enrolled again.",
    "DURATION",
  ),
  publishMs: setting(
    duration(1_000, 7 * dayMs),
    "10m",
    "Time for which a new authority of nodes is published before it issues.",
    "DURATION",
  ),
  expiryWarningMs: setting(
    duration(0, 3_650 * dayMs),
    "30d",
    "How long before a root, an issuing CA or the trust bundle ends there are warnings of it.",
    "DURATION",
  ),
} as const;

/** How long a proof of a machine is good for. Each further one costs a quote of its TPM: about a second of that. */
export const reauthSettings = {
  intervalMs: setting(
    duration(0, dayMs),
    "300s",
    "Time after which an agent has to prove itself again, up to a fifth longer; 0 = never.",
    "DURATION",
  ),
  graceMs: setting(
    duration(500, hourMs),
    "10s",
    "Time for the proof; traffic goes on meanwhile. In whole seconds, rounded up.",
    "DURATION",
  ),
  /** Until then a machine that was taken over is not noticed while the authorizer is down. */
  maintenanceCapMs: setting(
    duration(0, dayMs),
    "1800s",
    "Most time that proofs are put off while the authorizer is not well; 0 = none.",
    "DURATION",
  ),
  authorizerStatusUri: optional(
    url("https"),
    "Where edges ask how the authorizer is, before they ask an agent: 200 within 5 s means well.",
    "URL",
  ),
  authorizerHosts: setting(
    textList(64, 253, "host names"),
    "",
    "Further hosts that this edge asks how they are, where tokens of other issuers name them.",
    "HOST,...",
  ),
  authorizerCaFile: optional(
    path(),
    "Authorities in PEM that are trusted for that, besides the machine's own.",
    "FILE",
  ),
} as const;
