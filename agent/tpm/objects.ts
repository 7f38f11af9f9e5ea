/** Keys and sessions (Part 3, 11, 12, 23 and 24). Whatever is made here is unloaded with its turn. */
import {
  encodeTpm,
  maxDigestBytes,
  maxNameBytes,
  TPM2B_PUBLIC,
  TpmAlg,
  tpmName,
  type TpmPublic,
  TpmRh,
  TpmWriter,
} from "../../src/attestation/tpm/mod.ts";
import { equalConstantTime } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import type { TpmTurn } from "./turn.ts";

/** Making an RSA key from its seed takes up to a minute on slow TPMs. */
const CREATE_TIMEOUT_MS = 120_000;
/** TPM_SE_POLICY (Part 2, 6.11). */
const POLICY_SESSION = 0x01;
/** Of the caller's nonce: at least 16 (Part 3, 11.1.1). */
const NONCE_BYTES = 16;
/** TPM2B_CREATION_DATA; TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET: RSA-4096 at most. */
const MAX_CREATION_BYTES = 512;
const MAX_CREDENTIAL_BYTES = 512;

export interface LoadedKey {
  readonly handle: number;
  readonly area: TpmPublic;
  /** As the TPM says, and as follows from the area. */
  readonly name: Uint8Array<ArrayBuffer>;
}

/**
 * TPM2_CreatePrimary: the same template is the same key, until the hierarchy's seed changes. That of the endorsement hierarchy is the
 * maker's; that of the owner's changes when the owner clears the TPM.
 */
export async function createPrimary(
  turn: TpmTurn,
  template: TpmPublic,
  hierarchy: "endorsement" | "owner" = "endorsement",
): Promise<LoadedKey> {
  const parameters = new TpmWriter()
    .sized(new TpmWriter().u16(0).u16(0).bytes(), maxDigestBytes) // TPM2B_SENSITIVE_CREATE: no password, no data
    .put(encodeTpm(TPM2B_PUBLIC, template))
    .u16(0) // outsideInfo
    .u32(0) // creationPCR
    .bytes();
  const key = await turn.run({
    name: "createPrimary",
    handles: [TpmRh[hierarchy]],
    authorizations: [TpmRh.password],
    parameters,
    makesHandle: true,
    timeoutMs: CREATE_TIMEOUT_MS,
  }, (reader, handle) => {
    const area = TPM2B_PUBLIC.read(reader);
    reader.sized(MAX_CREATION_BYTES); // creationData
    reader.sized(maxDigestBytes); // creationHash
    reader.take(2 + 4); // creationTicket: tag, hierarchy,
    reader.sized(maxDigestBytes); // digest
    return { handle, area, name: reader.sized(maxNameBytes) };
  });
  if (!equalConstantTime(key.name, tpmName(key.area))) {
    throw new PosternError(
      "tpm_response_invalid",
      "Cannot use the TPM's key: its name is not that of its public area",
    );
  }
  return key;
}

/** TPM2_StartAuthSession of a policy session, neither bound nor salted. Its handle. */
export function startPolicySession(
  turn: TpmTurn,
  hash: "sha256" | "sha384",
  random: Random,
): Promise<number> {
  const parameters = new TpmWriter()
    .sized(random(NONCE_BYTES), NONCE_BYTES)
    .u16(0) // encryptedSalt
    .u8(POLICY_SESSION)
    .u16(TpmAlg.null) // symmetric: nothing is encrypted between this process and its own TPM
    .u16(TpmAlg[hash])
    .bytes();
  return turn.run({
    name: "startAuthSession",
    handles: [TpmRh.null, TpmRh.null],
    parameters,
    makesHandle: true,
  }, (reader, handle) => {
    reader.sized(maxDigestBytes); // nonceTPM
    return handle;
  });
}

/** TPM2_PolicySecret by the endorsement hierarchy, whose password is empty: what the EK templates of profile L ask for. */
export async function policySecret(turn: TpmTurn, session: number): Promise<void> {
  // nonceTPM, cpHashA, policyRef: empty; expiration 0.
  const parameters = new TpmWriter().u16(0).u16(0).u16(0).u32(0).bytes();
  await turn.run({
    name: "policySecret",
    handles: [TpmRh.endorsement, session],
    authorizations: [TpmRh.password],
    parameters,
  }, (reader) => {
    reader.sized(maxDigestBytes); // timeout
    reader.take(2 + 4); // policyTicket: tag, hierarchy,
    reader.sized(maxDigestBytes); // digest
  });
}

/**
 * TPM2_ActivateCredential: the secret that only the TPM with this EK and this AK can read.
 * @param authorization what the EK asks for: TPM_RS_PW or a policy session
 * @param credentialBlob what TPM2B_ID_OBJECT holds
 * @param encryptedSecret what TPM2B_ENCRYPTED_SECRET holds
 */
export function activateCredential(
  turn: TpmTurn,
  keys: { readonly ak: number; readonly ek: number; readonly authorization: number },
  credentialBlob: Uint8Array,
  encryptedSecret: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return turn.run({
    name: "activateCredential",
    handles: [keys.ak, keys.ek],
    authorizations: [TpmRh.password, keys.authorization],
    parameters: new TpmWriter().sized(credentialBlob, MAX_CREDENTIAL_BYTES).sized(
      encryptedSecret,
      MAX_CREDENTIAL_BYTES,
    ).bytes(),
  }, (reader) => reader.sized(maxDigestBytes));
}
