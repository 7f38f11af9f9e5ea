/** Makes TPMs with certified endorsement keys, as a manufacturer does, under a certificate authority of this test file. */
import { Process } from "./process.ts";
import { startSwtpm } from "./swtpm_process.ts";
import { TempDir } from "./temp_dir.ts";

/** Endorsement keys with a certificate in the TPM; which one is used is the agent's choice. */
export type EkKind = "rsa2048" | "p256" | "p384";

/** A TPM as it is delivered. */
export interface MadeTpm {
  readonly maker: EkMaker;
  /** Folder with its state: to be copied, never to be run. */
  readonly state: string;
  readonly certificates: EkCertificates;
}

/** DER by key. */
export type EkCertificates = Readonly<Partial<Record<EkKind, Uint8Array<ArrayBuffer>>>>;

/** The file that holds what a TPM keeps without power. */
export const STATE_FILE = "tpm2-00.permall";
/** NV indices of the certificates: TCG EK Credential Profile, "Handle Values for EK Certificates". */
const CERTIFICATE_INDEX = { rsa2048: "0x01c00002", p256: "0x01c0000a", p384: "0x01c00016" } as const;
const CERTIFICATE_ATTRIBUTES =
  "ppwrite|writedefine|ppread|ownerread|authread|no_da|platformcreate|write_stclear";
/** A slow machine may look for primes of 1,024 bits for a while. */
const SETUP_MS = 60_000;

/** One authority for a whole test file, whose folder goes away when the file is done. */
let shared: Promise<EkMaker> | undefined;
const made = new Map<string, Promise<MadeTpm>>();

/** The TPM of this name: made at the first call of a test file, the same at every later one. */
export function madeTpm(name: string, eks: readonly EkKind[]): Promise<MadeTpm> {
  const key = [name, ...eks].join(" ");
  const known = made.get(key);
  if (known !== undefined) return known;
  const making = EkMaker.shared().then((maker) => maker.make(name, eks));
  made.set(key, making);
  return making;
}

export class EkMaker implements AsyncDisposable {
  /** Folder with `root.pem` and `intermediate.pem`, and nothing else. */
  readonly rootsDirectory: string;
  readonly #folder: TempDir;
  #count = 0;
  /** The authority counts its serial numbers in a file: one at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(folder: TempDir) {
    this.#folder = folder;
    this.rootsDirectory = folder.file("roots");
  }

  /** The one of this test file. */
  static shared(): Promise<EkMaker> {
    return shared ??= EkMaker.start().then((maker) => {
      globalThis.addEventListener("unload", () => Deno.removeSync(maker.#folder.path, { recursive: true }));
      return maker;
    });
  }

  /** An authority of its own: two manufacturers. Its folder goes away with it. */
  static async start(): Promise<EkMaker> {
    const folder = await TempDir.make("ek-maker");
    const maker = new EkMaker(folder);
    try {
      await folder.write(
        "ca.conf",
        [
          `statedir = ${folder.path}`,
          `signingkey = ${folder.file("signkey.pem")}`,
          `issuercert = ${folder.file("issuercert.pem")}`,
          `certserial = ${folder.file("certserial")}`,
        ].join("\n"),
      );
      await folder.write(
        "ca.options",
        "--platform-manufacturer Postern\n--platform-version 1\n--platform-model Test\n",
      );
      const setup = [
        "create_certs_tool = /usr/bin/swtpm_localca",
        `create_certs_tool_config = ${folder.file("ca.conf")}`,
        `create_certs_tool_options = ${folder.file("ca.options")}`,
        "active_pcr_banks = sha256",
      ];
      await folder.write("setup.conf", setup.join("\n"));
      await Deno.mkdir(maker.rootsDirectory);
      return maker;
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      throw error;
    }
  }

  get rootPath(): string {
    return `${this.rootsDirectory}/root.pem`;
  }

  /** Certificate of the authority that signs endorsement keys, signed by the root. */
  get intermediatePath(): string {
    return `${this.rootsDirectory}/intermediate.pem`;
  }

  make(name: string, eks: readonly EkKind[]): Promise<MadeTpm> {
    const making = this.#queue.then(() => this.#make(name, eks));
    this.#queue = making.catch(() => {});
    return making;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue;
    await this.#folder[Symbol.asyncDispose]();
  }

  async #make(name: string, eks: readonly EkKind[]): Promise<MadeTpm> {
    const folder = this.#folder.file(`tpm-${this.#count++}`);
    const state = `${folder}/state`;
    await Deno.mkdir(state, { recursive: true });
    await run("swtpm_setup", folder, [
      ...["--tpm2", "--tpm-state", state, "--config", this.#folder.file("setup.conf"), "--vmid", name],
      ...["--create-ek-cert", "--create-platform-cert", "--lock-nvram", "--overwrite"],
      ...["--write-ek-cert-files", folder],
    ]);
    await this.#publishAuthorities();
    const certificates: Partial<Record<EkKind, Uint8Array<ArrayBuffer>>> = {};
    if (eks.includes("rsa2048")) certificates.rsa2048 = await Deno.readFile(`${folder}/ek-rsa2048.crt`);
    if (eks.includes("p384")) certificates.p384 = await Deno.readFile(`${folder}/ek-secp384r1.crt`);
    const unwanted = (["rsa2048", "p384"] as const).filter((kind) => !eks.includes(kind));
    if (unwanted.length > 0 || eks.includes("p256")) {
      await using _tpm = await startSwtpm({
        state,
        device: `${folder}/tpm`,
        control: `${folder}/tpm.ctrl`,
      });
      for (const kind of unwanted) {
        await tpm2(folder, ["nvundefine", "-C", "p", CERTIFICATE_INDEX[kind]]);
      }
      if (eks.includes("p256")) certificates.p256 = await this.#certifyP256(folder, name);
      await tpm2(folder, ["shutdown", "-c"]);
    }
    return { maker: this, state, certificates };
  }

  /** swtpm_setup makes no certificate for template L-2: this does what it does for the others. */
  async #certifyP256(folder: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
    await tpm2(folder, ["createek", "-G", "ecc", "-c", "ek.ctx", "-u", "ek.pub", "-f", "pem"]);
    await tpm2(folder, ["flushcontext", "-t"]);
    await run("swtpm_cert", folder, [
      ...[
        "--tpm2",
        "--type",
        "ek",
        "--decryption",
        "--pubkey",
        `${folder}/ek.pub`,
        "--subject",
        `CN=${name}`,
      ],
      ...["--signkey", this.#folder.file("signkey.pem")],
      ...["--issuercert", this.#folder.file("issuercert.pem")],
      ...["--serial", String(0x1000 + this.#count), "--days", "-1", "--out-cert", `${folder}/ek-p256.crt`],
      ...["--tpm-manufacturer", "id:00001014", "--tpm-model", "swtpm", "--tpm-version", "id:20191023"],
      ...["--tpm-spec-family", "2.0", "--tpm-spec-level", "0", "--tpm-spec-revision", "164"],
    ]);
    const certificate = await Deno.readFile(`${folder}/ek-p256.crt`);
    const index = CERTIFICATE_INDEX.p256;
    await tpm2(folder, [
      ...["nvdefine", "-C", "p", "-s", String(certificate.length), "-a", CERTIFICATE_ATTRIBUTES, index],
    ]);
    await tpm2(folder, ["nvwrite", "-C", "p", "-i", `${folder}/ek-p256.crt`, index]);
    return certificate;
  }

  async #publishAuthorities(): Promise<void> {
    await Deno.copyFile(this.#folder.file("swtpm-localca-rootca-cert.pem"), this.rootPath);
    await Deno.copyFile(this.#folder.file("issuercert.pem"), this.intermediatePath);
  }
}

async function tpm2(folder: string, args: readonly string[]): Promise<void> {
  await run("tpm2", folder, args, { TPM2TOOLS_TCTI: `swtpm:path=${folder}/tpm` });
}

async function run(
  program: string,
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const { code, stdout, stderr } = await Process.run(program, { args, cwd, env, timeoutMs: SETUP_MS });
  if (code !== 0) throw new Error(`Cannot make a TPM with ${program}: ${stdout}${stderr}`);
}
