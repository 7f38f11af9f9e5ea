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

async function load<T>(name: string): Promise<readonly T[]> {
  return JSON.parse(await Deno.readTextFile(new URL(`../vectors/tpm/${name}.json`, import.meta.url)));
}

export const QUOTES = await load<QuoteVector>("quotes");
export const REFUSALS = await load<QuoteVector>("refusals");
export const CERTIFICATIONS = await load<CertificationVector>("certifications");

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
