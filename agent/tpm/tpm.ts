/** This machine's TPM as the agent uses it: who it is, proof of that, and quotes. */
import { agentIdOf, type EvidenceQuestion, type PcrSelection } from "../../src/attestation/mod.ts";
import { EK_TEMPLATES, type EkTemplateName } from "../../src/attestation/ek/mod.ts";
import {
  encodeTpm,
  type TpmBank,
  tpmHash,
  TpmHr,
  type TpmPublic,
  TpmRh,
  TPMT_PUBLIC,
} from "../../src/attestation/tpm/mod.ts";
import { equalConstantTime, toHex } from "../../src/bytes/mod.ts";
import type { EkKind, TpmAddress } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Clock, Random } from "../../src/ports/mod.ts";
import { AK_HASH, akTemplate } from "./attestation_key.ts";
import { readBanks, readHandles, readProperties, type TpmProperties } from "./capability.ts";
import { type EndorsementKey, findEndorsementKey } from "./endorsement.ts";
import { TpmLine } from "./line.ts";
import {
  activateCredential,
  createPrimary,
  type LoadedKey,
  policySecret,
  startPolicySession,
} from "./objects.ts";
import type { OpenPipe } from "./pipe.ts";
import { quotePcrs, type TpmQuote } from "./quote.ts";
import { isWarning } from "./response_code.ts";
import type { TpmTurn } from "./turn.ts";

/** What a quote covers when nobody asks for PCRs: firmware, its configuration, boot loader and Secure Boot. */
export const DEFAULT_PCRS: PcrSelection = { bank: "sha256", pcrs: [0, 1, 2, 3, 4, 5, 6, 7] };

export interface TpmDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** The certified key to use; the first that the TPM has when absent. */
  readonly ek?: EkKind;
  /** In place of this machine's sockets and devices. */
  readonly open?: OpenPipe;
}

/** What a TPM has at the moment. */
export interface TpmState extends TpmProperties {
  /** PCRs by active bank. */
  readonly banks: ReadonlyMap<TpmBank, readonly number[]>;
  /** Objects that are loaded: others' where they use the TPM past its resource manager, never ours. */
  readonly loadedObjects: number;
}

/** A TPM with a certified key. Loads nothing between uses; any number of uses may be asked for at once. */
export class Tpm {
  /** Follows from the EK: one TPM is one agent. */
  readonly agentId: string;
  readonly ek: EndorsementKey;
  /** SHA-256 of the EK's SubjectPublicKeyInfo, hex. */
  readonly ekSha256: string;
  readonly akPublic: TpmPublic;
  /** TPM2B_NAME of the AK, without its size. */
  readonly akName: Uint8Array<ArrayBuffer>;
  readonly #line: TpmLine;
  readonly #random: Random;

  private constructor(line: TpmLine, random: Random, ek: EndorsementKey, ak: LoadedKey) {
    this.#line = line;
    this.#random = random;
    this.ek = ek;
    this.agentId = agentIdOf(ek.spki);
    this.ekSha256 = toHex(tpmHash("sha256", ek.spki));
    this.akPublic = ak.area;
    this.akName = ak.name;
  }

  /** See {@link openTpm}. */
  static async open(
    address: TpmAddress,
    { clock, random, ek: wanted, open }: TpmDeps,
    signal?: AbortSignal,
  ): Promise<Tpm> {
    const line = new TpmLine({ address, clock, open });
    return await line.use(async (turn) => {
      const ek = await findEndorsementKey(turn, wanted);
      const ak = await createPrimary(turn, akTemplate(agentIdOf(ek.spki)));
      return new Tpm(line, random, ek, ak);
    }, signal);
  }

  get ekTemplate(): EkTemplateName {
    return this.ek.template;
  }

  /** TPMT_PUBLIC of the AK, as it is sent at enrollment. */
  get akPublicBytes(): Uint8Array<ArrayBuffer> {
    return encodeTpm(TPMT_PUBLIC, this.akPublic);
  }

  /** Throws what {@link TpmLine.use} throws. */
  state(signal?: AbortSignal): Promise<TpmState> {
    return this.#line.use(async (turn) => ({
      ...await readProperties(turn),
      banks: await readBanks(turn),
      loadedObjects: (await readHandles(turn, TpmHr.transient)).length,
    }), signal);
  }

  /**
   * The secret in a credential that was made for this EK and this AK. Never to be sent: it keys a proof.
   * Throws `tpm_activation_failed`, `tpm_identity_changed` and what {@link TpmLine.use} throws.
   * @param credentialBlob what TPM2B_ID_OBJECT holds
   * @param encryptedSecret what TPM2B_ENCRYPTED_SECRET holds
   */
  activate(
    credentialBlob: Uint8Array,
    encryptedSecret: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.#line.use(async (turn) => {
      const { needsPolicy, area } = EK_TEMPLATES[this.ek.template];
      const ak = await this.#makeAk(turn);
      const ek = await createPrimary(turn, area);
      let authorization: number = TpmRh.password;
      if (needsPolicy) {
        authorization = await startPolicySession(turn, "sha256", this.#random);
        await policySecret(turn, authorization);
      }
      try {
        return await activateCredential(
          turn,
          { ak, ek: ek.handle, authorization },
          credentialBlob,
          encryptedSecret,
        );
      } catch (error) {
        // TPMs answer with different codes; all of them mean the same, but for those that judge nothing.
        if (!(error instanceof PosternError && error.code === "tpm_refused")) throw error;
        if (isWarning(Number(error.detail?.rc))) throw error;
        throw new PosternError(
          "tpm_activation_failed",
          "Cannot open the credential: it is not for this endorsement key and this attestation key",
          { cause: error, detail: error.detail },
        );
      }
    }, signal);
  }

  /**
   * A quote over the PCRs that are asked for ({@link DEFAULT_PCRS} when none are), with their values.
   * Throws `tpm_pcr_bank_inactive`, `tpm_pcrs_unstable`, `tpm_identity_changed` and what {@link TpmLine.use} throws.
   */
  quote({ qualifyingData, pcrs = DEFAULT_PCRS }: EvidenceQuestion, signal?: AbortSignal): Promise<TpmQuote> {
    return this.#line.use(async (turn) => {
      const handle = await this.#makeAk(turn);
      return await quotePcrs(turn, { handle, hash: AK_HASH }, pcrs, qualifyingData);
    }, signal);
  }

  /** Handle of the AK, which must be the one that this agent is known by. */
  async #makeAk(turn: TpmTurn): Promise<number> {
    const { handle, name } = await createPrimary(turn, akTemplate(this.agentId));
    if (!equalConstantTime(name, this.akName)) {
      throw new PosternError(
        "tpm_identity_changed",
        "Cannot use the TPM: it makes another attestation key than when the agent started",
      );
    }
    return handle;
  }
}

/**
 * Finds out who this machine is. Throws `tpm_ek_certificate_missing`, `tpm_ek_mismatch`, what opening throws
 * (`tpm_unavailable`, `tpm_device_forbidden`, `tpm_timeout`) and what commands throw (`tpm_refused`, `tpm_framing`, ...).
 */
export function openTpm(address: TpmAddress, deps: TpmDeps, signal?: AbortSignal): Promise<Tpm> {
  return Tpm.open(address, deps, signal);
}
