/** A real software TPM 2.0 with endorsement key certificates, as a manufacturer would deliver it. */
import {
  type EkCertificates,
  type EkKind,
  type EkMaker,
  type MadeTpm,
  madeTpm,
  STATE_FILE,
} from "./ek_maker.ts";
import { freePort } from "./ports.ts";
import { Process } from "./process.ts";
import { connectSwtpm, startSwtpm } from "./swtpm_process.ts";
import { TempDir } from "./temp_dir.ts";
import { TpmBroker } from "./tpm_broker.ts";

export type { EkCertificates, EkKind } from "./ek_maker.ts";

export interface SwtpmOptions {
  /**
   * Which TPM of this test file: one name is one TPM, made once, whose state every start gets a copy of.
   * Two that run at once under one name are clones; give them two names to have two machines.
   */
  readonly name?: string;
  /** `rsa2048` and `p384`, as swtpm makes them, unless given. */
  readonly eks?: readonly EkKind[];
  /** Whether swtpm itself listens on TCP instead of a unix socket. */
  readonly tcp?: boolean;
}

/** TCG TPM 2.0 Part 2, 6.5.2 and 6.9: TPM_CC_Shutdown with TPM_SU_CLEAR or TPM_SU_STATE. */
const SHUTDOWN_CLEAR = Uint8Array.fromHex("8001" + "0000000c" + "00000145" + "0000");
const SHUTDOWN_STATE = Uint8Array.fromHex("8001" + "0000000c" + "00000145" + "0001");

/** Ends with its scope: `await using tpm = await Swtpm.start()`. */
export class Swtpm implements AsyncDisposable {
  /** Who certified its endorsement keys. */
  readonly maker: EkMaker;
  /** Its certificates by key, DER. */
  readonly certificates: EkCertificates;
  readonly #folder: TempDir;
  readonly #broker: TpmBroker;
  readonly #tcp: boolean;
  /** Port or path of swtpm's own socket. */
  #device: number | string;
  #process: Process | undefined;

  private constructor(made: MadeTpm, folder: TempDir, tcp: boolean) {
    this.maker = made.maker;
    this.certificates = made.certificates;
    this.#folder = folder;
    this.#tcp = tcp;
    this.#device = folder.file("device");
    this.#broker = new TpmBroker(folder.file("tpm"), () => connectSwtpm(this.#device));
  }

  static async start(options: SwtpmOptions = {}): Promise<Swtpm> {
    const made = await madeTpm(options.name ?? "first", options.eks ?? ["rsa2048", "p384"]);
    return await Swtpm.#from(made, options.tcp ?? false);
  }

  static async #from(made: MadeTpm, tcp: boolean): Promise<Swtpm> {
    const folder = await TempDir.make("tpm");
    let tpm: Swtpm | undefined;
    try {
      await Deno.mkdir(folder.file("state"), { mode: 0o700 });
      await Deno.copyFile(`${made.state}/${STATE_FILE}`, folder.file(`state/${STATE_FILE}`));
      tpm = new Swtpm(made, folder, tcp);
      await tpm.powerOn();
      return tpm;
    } catch (error) {
      await (tpm ?? folder)[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `unix:PATH` of a socket that any number of programs may use at once. */
  get address(): string {
    return `unix:${this.#folder.file("tpm")}`;
  }

  /** The same over TCP: `tcp:127.0.0.1:PORT`. */
  get tcpAddress(): string {
    return `tcp:127.0.0.1:${this.#broker.port}`;
  }

  /** swtpm's own socket: it serves one connection at a time, and no other method works while somebody holds it. */
  get ownAddress(): string {
    return typeof this.#device === "number" ? `tcp:127.0.0.1:${this.#device}` : `unix:${this.#device}`;
  }

  /** Where tpm2-tools find it, as `TPM2TOOLS_TCTI` has it. */
  get tcti(): string {
    return `swtpm:path=${this.#folder.file("tpm")}`;
  }

  /** Folder with one PEM file for each authority of {@link maker}: the root and the intermediate. */
  get rootsDirectory(): string {
    return this.maker.rootsDirectory;
  }

  /** Sends one whole command and returns the whole answer. */
  command(bytes: Uint8Array): Promise<Uint8Array> {
    return this.#broker.command(bytes);
  }

  /** Runs `tpm2 COMMAND ARGS…` in this TPM's folder and returns what it printed; throws what it complained about. */
  async tool(command: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await Process.run("tpm2", {
      args: [command, ...args],
      cwd: this.#folder.path,
      env: { TPM2TOOLS_TCTI: this.tcti, TPM2TOOLS_LOG: "error" },
    });
    if (code !== 0) throw new Error(`Cannot run tpm2 ${command}: ${stderr.trim()}`);
    return stdout;
  }

  /** Absolute path of a file in the folder where {@link tool} runs. */
  file(name: string): string {
    return this.#folder.file(name);
  }

  /** Extends a PCR of the SHA-256 bank. @param digest 32 bytes; of ones unless given */
  async extend(pcr: number, digest: Uint8Array = new Uint8Array(32).fill(1)): Promise<void> {
    await this.#succeed(pcrExtend(pcr, digest));
  }

  /** Value of a PCR of the SHA-256 bank, hex. */
  async pcr(index: number): Promise<string> {
    const answer = await this.#succeed(pcrRead(index));
    // Part 3, 22.4: update counter, selection, then one digest, which ends the answer.
    return answer.subarray(-32).toHex();
  }

  /** Whether it has a command that it has not answered. */
  get isBusy(): boolean {
    return this.#broker.isBusy;
  }

  /** Holds it in the middle of whatever it does; {@link kill} or {@link thaw} ends that. */
  freeze(): void {
    this.#process!.signal("SIGSTOP");
  }

  thaw(): void {
    this.#process!.signal("SIGCONT");
  }

  /** Ends it as a power cut does. Connections to {@link address} stay and are told at their next command. */
  async kill(): Promise<void> {
    await this.#process?.stop("SIGKILL");
    this.#process = undefined;
    this.#broker.disconnect();
  }

  /** Starts it again after {@link kill}: the TPM's reset counter goes up, PCRs are zero. */
  async powerOn(): Promise<void> {
    if (this.#tcp) this.#device = freePort();
    this.#process = await startSwtpm({
      state: this.#folder.file("state"),
      device: this.#device,
      control: this.#folder.file("tpm.ctrl"),
    });
  }

  /** Powers the machine off and on in an orderly way (TPM Reset): reset counter up, PCRs zero, clock safe. */
  async reset(): Promise<void> {
    await this.#cycle(SHUTDOWN_CLEAR);
  }

  /** Hibernates the machine (TPM Restart): restart counter up, reset counter as before, PCRs zero. */
  async restart(): Promise<void> {
    await this.#cycle(SHUTDOWN_STATE);
  }

  /** Another TPM with a copy of this one's state: what a stolen virtual TPM is. This one is off meanwhile. */
  async clone(): Promise<Swtpm> {
    const { maker, certificates } = this;
    await this.kill();
    const state = this.#folder.file("state");
    const copy = await Swtpm.#from({ maker, certificates, state }, this.#tcp);
    await this.powerOn();
    return copy;
  }

  /** Ends it without waiting, for what cannot wait: an `unload` listener. */
  abandon(): void {
    this.#process?.signal("SIGKILL");
    Deno.removeSync(this.#folder.path, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#broker[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #succeed(command: Uint8Array): Promise<Uint8Array> {
    const answer = await this.command(command);
    const code = new DataView(answer.buffer).getUint32(6);
    if (code !== 0) throw new Error(`Cannot use the TPM: it answered 0x${code.toString(16)}`);
    return answer;
  }

  async #cycle(shutdown: Uint8Array): Promise<void> {
    await this.#succeed(shutdown);
    await this.kill();
    await this.powerOn();
  }
}

/** TCG TPM 2.0 Part 3, 22.2, with an empty password: PCRs have none. Handle, authorization, one SHA-256 digest. */
function pcrExtend(pcr: number, digest: Uint8Array): Uint8Array {
  return Uint8Array.fromHex(
    "8002" + "00000041" + "00000182" + `000000${byte(pcr)}` + "00000009" + "40000009" + "0000000000" +
      "00000001" + "000b" + digest.toHex(),
  );
}

/** Part 3, 22.4: one selection of three bytes in the SHA-256 bank. */
function pcrRead(pcr: number): Uint8Array {
  const set = [0, 1, 2].map((at) => at === pcr >> 3 ? byte(1 << (pcr & 7)) : "00").join("");
  return Uint8Array.fromHex("8001" + "00000014" + "0000017e" + "00000001" + "000b" + "03" + set);
}

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}
