/**
 * Sealed data (TPM 2.0 Library Part 1, 25.4; Part 3, 12.1 TPM2_Create, 12.2 TPM2_Load, 12.7 TPM2_Unseal): an object of type
 * KEYEDHASH without a scheme, whose sensitive part is the data. Outside the TPM it is encrypted by its parent.
 *
 * ```
 * TPMT_PUBLIC   type u16 = KEYEDHASH | nameAlg u16 | objectAttributes u32 | authPolicy TPM2B | scheme u16 = NULL | unique TPM2B
 * TPM2B_PRIVATE opaque: integrity, and the sensitive area under the parent's symmetric key
 * ```
 */
import {
  encodeTpm,
  maxDigestBytes,
  maxNameBytes,
  TpmAlg,
  tpmHash,
  TPML_PCR_SELECTION,
  TpmObject,
  type TpmPcrSelection,
  type TpmReader,
  TpmWriter,
} from "../../src/attestation/tpm/mod.ts";
import { equalConstantTime } from "../../src/bytes/mod.ts";
import { TpmCc } from "./command.ts";
import type { HmacSession } from "./hmac_session.ts";
import type { LoadedKey } from "./objects.ts";
import type { TpmTurn } from "./turn.ts";

/** MAX_SYM_DATA (Part 2, 11.1.14): every TPM seals as much. */
const MAX_DATA_BYTES = 128;
/** TPM2B_PRIVATE of such an object: integrity, sizes, seed and data; twice of what TPMs make. */
const MAX_PRIVATE_BYTES = 512;
const MAX_PUBLIC_BYTES = 256;
const MAX_CREATION_BYTES = 512;
const HASH = "sha256";

/** Its password is empty: whoever may use this TPM, and has the file, may open it. noDA: a lockout by others does not count. */
const ATTRIBUTES = TpmObject.fixedTPM | TpmObject.fixedParent | TpmObject.noDA;

/** What is kept outside the TPM. */
export interface SealedBlob {
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
  /** Contents of TPM2B_PRIVATE. */
  readonly privateArea: Uint8Array;
}

/** The digest of a policy of PolicyPCR alone (Part 3, 23.7): what the PCRs are is a part of it. */
export function pcrPolicy(selection: TpmPcrSelection, values: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  return tpmHash(
    HASH,
    new Uint8Array(32),
    new TpmWriter().u32(TpmCc.policyPcr).bytes(),
    encodeTpm(TPML_PCR_SELECTION, [selection]),
    tpmHash(HASH, ...values),
  );
}

/** TPM2_Create. @param policy digest of the policy under which it is opened; an empty password opens it without one */
export async function sealData(
  turn: TpmTurn,
  parent: LoadedKey,
  session: HmacSession,
  data: Uint8Array,
  policy?: Uint8Array,
): Promise<SealedBlob> {
  const sensitive = new TpmWriter().u16(0).sized(data, MAX_DATA_BYTES).bytes();
  const attributes = ATTRIBUTES | (policy === undefined ? TpmObject.userWithAuth : 0);
  const template = new TpmWriter().u16(TpmAlg.keyedHash).u16(TpmAlg[HASH]).u32(attributes)
    .sized(policy ?? new Uint8Array(), maxDigestBytes).u16(TpmAlg.null).u16(0).bytes();
  const parameters = new TpmWriter()
    .sized(sensitive, 2 * MAX_DATA_BYTES)
    .sized(template, MAX_PUBLIC_BYTES)
    .u16(0) // outsideInfo
    .u32(0) // creationPCR
    .bytes();
  sensitive.fill(0);
  const blob = await turn.run({
    name: "create",
    handles: [parent.handle],
    names: [parent.name],
    authorizations: [session],
    secrets: { command: true },
    parameters,
  }, (reader) => {
    const privateArea = reader.sized(MAX_PRIVATE_BYTES);
    const publicArea = reader.sized(MAX_PUBLIC_BYTES);
    reader.sized(MAX_CREATION_BYTES); // creationData
    reader.sized(maxDigestBytes); // creationHash
    reader.take(2 + 4); // creationTicket: tag, hierarchy,
    reader.sized(maxDigestBytes); // digest
    // All but the digest over the data is as it was asked for.
    const asked = template.subarray(0, template.length - 2);
    if (!equalConstantTime(publicArea.subarray(0, asked.length), asked)) {
      throw reader.malformed("it is about another object");
    }
    return { publicArea, privateArea };
  });
  return blob;
}

/** TPM2_Load. Refused by a TPM under another parent than the one that it was made under. */
export async function loadSealed(
  turn: TpmTurn,
  parent: LoadedKey,
  session: HmacSession,
  { publicArea, privateArea }: SealedBlob,
): Promise<{ readonly handle: number; readonly name: Uint8Array }> {
  const name = new TpmWriter().u16(TpmAlg[HASH]).put(tpmHash(HASH, publicArea)).bytes();
  return await turn.run({
    name: "load",
    handles: [parent.handle],
    names: [parent.name],
    authorizations: [session],
    parameters: new TpmWriter().sized(privateArea, MAX_PRIVATE_BYTES).sized(publicArea, MAX_PUBLIC_BYTES)
      .bytes(),
    makesHandle: true,
  }, (reader, handle) => {
    if (!equalConstantTime(reader.sized(maxNameBytes), name)) throw reader.malformed("it is another object");
    return { handle, name };
  });
}

/** TPM2_PolicyPCR: the session holds for what the PCRs are now. */
export async function policyPcr(
  turn: TpmTurn,
  session: HmacSession,
  selection: TpmPcrSelection,
): Promise<void> {
  const parameters = new TpmWriter().u16(0) // pcrDigest: whatever they are
    .put(encodeTpm(TPML_PCR_SELECTION, [selection])).bytes();
  await turn.run({ name: "policyPcr", handles: [session.handle], parameters }, () => {});
}

/** TPM2_Unseal: the data, which passes the bus encrypted. */
export async function unsealData(
  turn: TpmTurn,
  object: { readonly handle: number; readonly name: Uint8Array },
  session: HmacSession,
): Promise<Uint8Array<ArrayBuffer>> {
  return await turn.run({
    name: "unseal",
    handles: [object.handle],
    names: [object.name],
    authorizations: [session],
    secrets: { answer: true },
  }, (reader: TpmReader) => reader.sized(MAX_DATA_BYTES));
}
