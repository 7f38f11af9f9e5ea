/** What `postern attest --dry-run` finds out: the evidence that this machine would give, judged on the spot. */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { openTpm, type Tpm, type TpmState } from "../../agent/mod.ts";
import { tpmIdentityOf } from "../../src/attestation/ek/mod.ts";
import { maxPcr, pcrBankSchema, type PcrSelection } from "../../src/attestation/mod.ts";
import { type QuoteFacts, verifyQuote } from "../../src/attestation/tpm/mod.ts";
import { instant, toHex } from "../../src/bytes/mod.ts";
import { type EkKind, formatTpmAddress, type TpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { errorOf, PosternError } from "../../src/errors/mod.ts";

/** Bytes of qualifying data, as of every challenge. */
const challengeBytes = 32;

/** All texts of certificates are the maker's. */
export interface AttestReport {
  readonly tpm: string;
  readonly manufacturer: string;
  readonly model: string;
  /** 16 hex digits, as policies have it. */
  readonly firmware_version: string;
  readonly agent_id: string;
  readonly ek: {
    readonly template: EkKind;
    /** SHA-256 of the SubjectPublicKeyInfo. */
    readonly sha256: string;
    readonly certificate: CertificateReport;
    /** Certificates that the TPM has besides: those of its maker's authorities. */
    readonly issuers: number;
  };
  readonly ak: { readonly name: string };
  /** PCRs by active bank. */
  readonly banks: Readonly<Record<string, readonly number[]>>;
  readonly pcrs: { readonly bank: string; readonly values: Readonly<Record<string, string>> };
  readonly quote: QuoteReport;
}

export interface CertificateReport {
  readonly sha256: string;
  readonly serial: string;
  readonly subject: string;
  readonly issuer: string;
  readonly not_before: string;
  readonly not_after: string;
  /** Of the TPM that it is for; null when it does not say. */
  readonly manufacturer: string | null;
  readonly model: string | null;
  readonly version: string | null;
}

/** What a verifier that knows this key says of the quote. */
export type QuoteReport =
  | {
    readonly verdict: "holds";
    readonly reset_count: number;
    readonly restart_count: number;
    readonly clock_ms: number;
    readonly safe: boolean;
  }
  | { readonly verdict: "refused"; readonly code: string; readonly message: string };

/** Asks the TPM for evidence over a challenge of our own. Throws what {@link openTpm} and {@link Tpm.quote} throw. */
export async function attestReport(address: TpmAddress, ek: EkKind | undefined): Promise<AttestReport> {
  const tpm = await openTpm(address, { clock: systemClock, random: systemRandom, ek });
  const state = await tpm.state();
  const selection = largestSelection(state);
  const qualifyingData = systemRandom(challengeBytes);
  const { quote, signature, values } = await tpm.quote({ qualifyingData, pcrs: selection });
  const hex = Object.fromEntries([...values].map(([pcr, value]) => [pcr, toHex(value)]));
  const pcrs = { bank: selection.bank, values: hex };
  const akPublic = tpm.akPublicBytes;
  return {
    tpm: formatTpmAddress(address),
    manufacturer: state.manufacturer,
    model: state.model,
    firmware_version: state.firmwareVersion.toString(16).padStart(16, "0"),
    agent_id: tpm.agentId,
    ek: {
      template: tpm.ekTemplate,
      sha256: tpm.ekSha256,
      certificate: certificateReport(tpm),
      issuers: tpm.ek.certificates.length - 1,
    },
    ak: { name: toHex(tpm.akName) },
    banks: Object.fromEntries(state.banks),
    pcrs,
    quote: judged(() => verifyQuote({ quote, signature, akPublic, qualifyingData, selection, pcrs })),
  };
}

/** All PCRs of the first bank that a policy may name. */
function largestSelection({ banks }: TpmState): PcrSelection {
  for (const bank of pcrBankSchema.options) {
    const pcrs = (banks.get(bank) ?? []).filter((pcr) => pcr <= maxPcr);
    if (pcrs.length > 0) return { bank, pcrs };
  }
  throw new PosternError(
    "tpm_pcr_bank_inactive",
    "Cannot quote PCRs: the TPM keeps no bank of SHA-256, SHA-384 or SHA-512",
  );
}

function judged(verify: () => QuoteFacts): QuoteReport {
  try {
    const { resetCount, restartCount, clockMs, safe } = verify();
    return {
      verdict: "holds",
      reset_count: resetCount,
      restart_count: restartCount,
      clock_ms: clockMs,
      safe,
    };
  } catch (error) {
    const { code, message } = errorOf(error);
    return { verdict: "refused", code, message };
  }
}

function certificateReport({ ek: { certificate } }: Tpm): CertificateReport {
  const { subject, issuer } = new X509Certificate(Buffer.from(certificate.bytes));
  const identity = identityOf(certificate.extensions.directoryNames);
  const oneLine = (name: string | undefined) => (name ?? "").split("\n").join(", ");
  return {
    sha256: certificate.sha256,
    serial: certificate.serial,
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    not_before: instant(certificate.notBeforeMs),
    not_after: instant(certificate.notAfterMs),
    manufacturer: identity?.manufacturer ?? null,
    model: identity?.model ?? null,
    version: identity?.version ?? null,
  };
}

/** Undefined where the certificate does not say which TPM it is for: control refuses it. */
function identityOf(directoryNames: readonly Uint8Array[]): ReturnType<typeof tpmIdentityOf> | undefined {
  try {
    return tpmIdentityOf(directoryNames);
  } catch (error) {
    if (error instanceof PosternError) return undefined;
    throw error;
  }
}
