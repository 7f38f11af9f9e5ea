/**
 * Keys that only this machine's TPM gives out again: sealed under the storage primary key, which the TPM makes anew from the
 * owner's seed at each use. Nothing is stored in the TPM.
 */
import { EK_TEMPLATES } from "../../src/attestation/ek/mod.ts";
import { TpmObject, type TpmPcrSelection, type TpmPublic } from "../../src/attestation/tpm/mod.ts";
import { equalConstantTime } from "../../src/bytes/mod.ts";
import type { TpmAddress } from "../../src/config/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { Clock, Random } from "../../src/ports/mod.ts";
import { HmacSession } from "./hmac_session.ts";
import { TpmLine } from "./line.ts";
import { createPrimary } from "./objects.ts";
import type { OpenPipe } from "./pipe.ts";
import { readPcrs } from "./quote.ts";
import { readBanks } from "./capability.ts";
import { isAboutContent, isCode, TpmRc } from "./response_code.ts";
import { loadSealed, pcrPolicy, policyPcr, sealData, type SealedBlob, unsealData } from "./sealed_object.ts";
import type { TpmTurn } from "./turn.ts";

/**
 * The storage primary key (TCG "TPM v2.0 Provisioning Guidance", 7.5.1: template L-2 of the EK profile with the attributes of a
 * storage key, and an empty policy).
 */
const STORAGE_TEMPLATE: TpmPublic = {
  type: "ecc",
  nameAlg: "sha256",
  attributes: TpmObject.fixedTPM | TpmObject.fixedParent | TpmObject.sensitiveDataOrigin |
    TpmObject.userWithAuth | TpmObject.noDA | TpmObject.restricted | TpmObject.decrypt,
  authPolicy: new Uint8Array(),
  symmetric: { keyBits: 128 },
  scheme: null,
  curve: "p256",
  x: new Uint8Array(32),
  y: new Uint8Array(32),
};

/** A key outside the TPM. Nothing of it is secret. */
export interface SealedKey extends SealedBlob {
  /** Name of the storage key that it was sealed under. */
  readonly storageName: Uint8Array;
  /** Name of the P-256 endorsement key of the TPM: tells another TPM from one that was cleared. */
  readonly ekName: Uint8Array;
  /** PCRs that have to be as they were. */
  readonly pcrs?: TpmPcrSelection;
}

export interface TpmSealerOptions {
  readonly address: TpmAddress;
  readonly clock: Clock;
  readonly random: Random;
  /** In place of this machine's sockets and devices. */
  readonly open?: OpenPipe;
}

export class TpmSealer {
  readonly #line: TpmLine;
  readonly #random: Random;

  constructor({ address, clock, random, open }: TpmSealerOptions) {
    this.#line = new TpmLine({ address, clock, open });
    this.#random = random;
  }

  /**
   * @param key at most 128 bytes
   * @param pcrs opened only while these are as they are now
   * @throws PosternError `identity_seal_owner_locked`, `tpm_pcr_bank_inactive`, what opening throws (`tpm_unavailable`,
   * `tpm_device_forbidden`, `tpm_timeout`) and what commands throw (`tpm_refused`, ...)
   */
  seal(key: Uint8Array, pcrs?: TpmPcrSelection): Promise<SealedKey> {
    return this.#line.use(async (turn) => {
      const ek = await createPrimary(turn, EK_TEMPLATES.p256.area);
      await turn.flush(ek.handle);
      const storage = await storageKey(turn);
      const policy = pcrs === undefined ? undefined : await policyOfNow(turn, pcrs);
      const session = await HmacSession.start(turn, storage, "hmac", this.#random);
      const blob = await sealData(turn, storage, session, key, policy);
      return {
        ...blob,
        storageName: storage.name,
        ekName: ek.name,
        ...(pcrs === undefined ? {} : { pcrs }),
      };
    });
  }

  /**
   * @throws PosternError `identity_seal_foreign` on another TPM, `identity_seal_cleared` after its owner cleared it,
   * `identity_seal_pcrs_changed`, `identity_seal_damaged`, and what {@link seal} throws
   */
  unseal(sealed: SealedKey): Promise<Uint8Array<ArrayBuffer>> {
    return this.#line.use(async (turn) => {
      const storage = await storageKey(turn);
      if (!equalConstantTime(storage.name, sealed.storageName)) {
        await turn.flush(storage.handle);
        throw await otherStorage(turn, sealed);
      }
      const session = await HmacSession.start(turn, storage, "hmac", this.#random);
      const object = await asOurs(
        { isOurs: isAboutContent, code: "identity_seal_damaged" },
        "Cannot unseal identity: its sealed key is damaged",
        () => loadSealed(turn, storage, session, sealed),
      );
      if (sealed.pcrs === undefined) return await unsealData(turn, object, session);
      const policy = await HmacSession.start(turn, storage, "policy", this.#random);
      await policyPcr(turn, policy, sealed.pcrs);
      return await asOurs(
        { isOurs: oneOf(TpmRc.policyFail, TpmRc.pcrChanged), code: "identity_seal_pcrs_changed" },
        `Cannot unseal identity: PCRs ${sealed.pcrs.pcrs.join(", ")} are not as they were when it was sealed`,
        () => unsealData(turn, object, policy),
      );
    });
  }
}

async function storageKey(turn: TpmTurn) {
  return await asOurs(
    { isOurs: oneOf(TpmRc.badAuth, TpmRc.authFail, TpmRc.hierarchy), code: "identity_seal_owner_locked" },
    "Cannot use the TPM's storage hierarchy: its owner has set a password, or disabled it",
    () => createPrimary(turn, STORAGE_TEMPLATE, "owner"),
  );
}

async function policyOfNow(turn: TpmTurn, pcrs: TpmPcrSelection): Promise<Uint8Array> {
  const active = (await readBanks(turn)).get(pcrs.bank) ?? [];
  const missing = pcrs.pcrs.find((pcr) => !active.includes(pcr));
  if (missing !== undefined) {
    throw new PosternError(
      "tpm_pcr_bank_inactive",
      `Cannot seal to PCR ${missing} of bank ${pcrs.bank}: the TPM does not keep it`,
      { detail: { bank: pcrs.bank, pcr: missing } },
    );
  }
  return pcrPolicy(pcrs, (await readPcrs(turn, pcrs)).values());
}

/** The maker's seed outlives the owner's. */
async function otherStorage(turn: TpmTurn, { ekName }: SealedKey): Promise<PosternError> {
  const ek = await createPrimary(turn, EK_TEMPLATES.p256.area);
  return equalConstantTime(ek.name, ekName)
    ? new PosternError(
      "identity_seal_cleared",
      "Cannot unseal identity: the TPM was cleared by its owner since it was sealed",
    )
    : new PosternError("identity_seal_foreign", "Cannot unseal identity: it is sealed to another TPM");
}

/** Tells some refusals of the TPM by a code of ours. */
async function asOurs<T>(
  { isOurs, code }: { readonly isOurs: (rc: number) => boolean; readonly code: ErrorCode },
  message: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const rc = error instanceof PosternError ? Number(error.detail.rc ?? 0) : 0;
    if (!isOurs(rc)) throw error;
    throw new PosternError(code, message, { cause: error });
  }
}

const oneOf = (...bases: readonly number[]) => (rc: number) => bases.some((base) => isCode(rc, base));
