/** The vectors that a software TPM made: see tests/vectors/tpm/README.md. */
import { fromHex } from "../../src/bytes/mod.ts";
import type { CertifyClaim, QuoteClaim } from "../../src/attestation/tpm/mod.ts";
import { pcrSelectionSchema } from "../../src/attestation/mod.ts";

interface AttestedVector {
  readonly title: string;
  readonly ak_public: string;
  readonly ak_parent?: string;
  readonly qualifying_data: string;
  readonly attested: string;
  readonly signature: string;
}

export interface QuoteVector extends AttestedVector {
  readonly pcrs: { readonly bank: string; readonly values: Readonly<Record<string, string>> };
  /** Unless given, that of the values. */
  readonly asked_bank?: string;
  /** Why it is refused. */
  readonly code?: string;
}

export interface CertificationVector extends AttestedVector {
  readonly name: string;
}

/** Certificates of endorsement keys and of those who certified them. */
export interface EndorsementVector {
  /** Unix milliseconds at which all of them were valid. */
  readonly captured_at_ms: number;
  readonly root: string;
  readonly intermediate: string;
  readonly rsa2048: string;
  readonly p384: string;
}

async function load<T>(name: string): Promise<T> {
  return JSON.parse(await Deno.readTextFile(new URL(`../vectors/tpm/${name}.json`, import.meta.url)));
}

export const QUOTES = await load<readonly QuoteVector[]>("quotes");
export const REFUSALS = await load<readonly QuoteVector[]>("refusals");
export const CERTIFICATIONS = await load<readonly CertificationVector[]>("certifications");
export const ENDORSEMENT = await load<EndorsementVector>("endorsement");

/** What a verifier who asked for these PCRs is given. */
export function claimOf(vector: QuoteVector): QuoteClaim {
  const { bank, values } = vector.pcrs;
  return {
    ...commonOf(vector),
    quote: fromHex(vector.attested),
    selection: pcrSelectionSchema.parse({
      bank: vector.asked_bank ?? bank,
      pcrs: Object.keys(values).map(Number),
    }),
    pcrs: vector.pcrs,
  };
}

export function certifyClaimOf(vector: CertificationVector): CertifyClaim {
  return { ...commonOf(vector), certification: fromHex(vector.attested), name: fromHex(vector.name) };
}

function commonOf({ ak_public, ak_parent, qualifying_data, signature }: AttestedVector) {
  return {
    signature: fromHex(signature),
    akPublic: fromHex(ak_public),
    qualifyingData: fromHex(qualifying_data),
    ...(ak_parent === undefined ? {} : { akParent: fromHex(ak_parent) }),
  };
}
