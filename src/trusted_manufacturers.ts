/** Which TPMs are trusted, by the operator's files: for those that want to enroll, and for those that have. */
import { EkChainMemory, type EkTrust, endOf, noEkTrust } from "./attestation/ek/mod.ts";
import type { EdgeConfig } from "./config/mod.ts";
import { EkTrustStore } from "./driver/mod.ts";
import { codeOf, PosternError } from "./errors/mod.ts";
import type { Clock, Log, MachineRecord, Store } from "./ports/mod.ts";

export interface TrustedManufacturersDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Cuts every channel of an agent. */
  readonly cutAgent: (agentId: string) => void;
}

/** Machines looked at in one turn of the event loop: each costs a millisecond or more. */
const MACHINES_PER_TURN = 32;

export class TrustedManufacturers {
  /** Undefined: no directory is configured, nobody is trusted. */
  readonly #files: EkTrustStore | undefined;
  readonly #deps: TrustedManufacturersDeps;
  readonly #chains = new EkChainMemory();

  private constructor(files: EkTrustStore | undefined, deps: TrustedManufacturersDeps) {
    this.#files = files;
    this.#deps = deps;
  }

  /** Throws `ek_roots_unusable`, `ek_revocations_unusable`. */
  static async open(
    { rootsDirectory, revocationsFile }: EdgeConfig["attestation"],
    deps: TrustedManufacturersDeps,
  ): Promise<TrustedManufacturers> {
    const files = rootsDirectory === null
      ? undefined
      : await EkTrustStore.load({ rootsDirectory, revocationsFile });
    const trusted = new TrustedManufacturers(files, deps);
    if (files !== undefined) trusted.#tell("manufacturers of TPMs read", files);
    return trusted;
  }

  /** What is trusted now. */
  get trust(): EkTrust {
    return this.#files?.trust ?? noEkTrust;
  }

  /** Whether a machine that is enrolled would be believed today. Throws the codes of `verifyEkChain`. */
  check({ ekCertificate, ekIntermediates }: Pick<MachineRecord, "ekCertificate" | "ekIntermediates">): void {
    this.#chains.check([ekCertificate, ...ekIntermediates], this.trust, this.#deps.clock.wall());
  }

  /** Reads the files again and cuts the channels of machines that are not believed any more. Never throws. */
  async reload(): Promise<void> {
    const files = this.#files;
    if (files === undefined) return;
    const result = await files.reload();
    if (result.outcome === "kept") {
      const { code, message } = result.error;
      this.#deps.log("error", "manufacturers of TPMs kept: the new files are not usable", { code, message });
      return;
    }
    this.#tell("manufacturers of TPMs reloaded", files);
    try {
      await this.#cutOthers();
    } catch (error) {
      this.#deps.log("error", "machines not looked at: their channels stay until they attest again", {
        code: codeOf(error),
      });
    }
  }

  async #cutOthers(): Promise<void> {
    const { store, cutAgent, log } = this.#deps;
    let after: string | undefined;
    for (;;) {
      const machines = await store.machines(MACHINES_PER_TURN, after);
      for (const machine of machines) {
        try {
          this.check(machine);
        } catch (error) {
          if (!(error instanceof PosternError)) throw error;
          log("warn", "machine is not trusted any more", { agent_id: machine.agentId, code: error.code });
          cutAgent(machine.agentId);
        }
      }
      if (machines.length < MACHINES_PER_TURN) return;
      after = machines[machines.length - 1].agentId;
    }
  }

  #tell(event: string, { trust: { roots, intermediates, revocations }, ignored }: EkTrustStore): void {
    const { log, clock } = this.#deps;
    log("info", event, {
      roots: roots.length,
      intermediates: intermediates.length,
      expired: [...roots, ...intermediates].filter((one) => endOf(one) <= clock.wall()).length,
      revoked_certificates: revocations.certificates.size,
      revoked_keys: revocations.keys.size,
      revoked_serials: [...revocations.serials.values()].reduce((sum, { size }) => sum + size, 0),
    });
    if (roots.length === 0) log("warn", "no TPM can enroll: the roots directory holds no root certificate");
    if (ignored.length > 0) {
      log(
        "warn",
        "files in the roots directory are not read: their names end in none of .pem .crt .cer .der",
        {
          count: ignored.length,
          first: ignored[0],
        },
      );
    }
  }
}
