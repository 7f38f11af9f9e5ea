/** Certificates made by openssl, so that ours are not only checked against ourselves. */
import { Process } from "./process.ts";
import { TempDir } from "./temp_dir.ts";

/** A key pair on disk and as PEM text. */
export interface KeyPair {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface LeafOptions {
  /** subjectAltName entries as openssl spells them, e.g. `DNS:a.test`, `URI:spiffe://x/y`, `IP:127.0.0.1`. */
  readonly names: readonly string[];
  readonly days?: number;
  readonly usage?: "serverAuth" | "clientAuth" | "serverAuth,clientAuth";
}

const caDays = 30;

/** A certificate authority of its own: `await using ca = await CertificateAuthority.make()`. */
export class CertificateAuthority implements AsyncDisposable {
  readonly ca: KeyPair;
  readonly #folder: TempDir;
  #count = 0;

  private constructor(ca: KeyPair, folder: TempDir) {
    this.ca = ca;
    this.#folder = folder;
  }

  static async make(commonName = "Postern test CA"): Promise<CertificateAuthority> {
    const folder = await TempDir.make("ca");
    const [certPath, keyPath] = [folder.file("ca.pem"), folder.file("ca.key")];
    await openssl([
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"],
      ...["-subj", `/CN=${commonName}`, "-days", `${caDays}`, "-keyout", keyPath, "-out", certPath],
      ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ]);
    return new CertificateAuthority(await readPair(certPath, keyPath), folder);
  }

  /** A leaf that this authority signed. Its files go away with the authority. */
  async issue(options: LeafOptions): Promise<KeyPair> {
    const { names, days = 1, usage = "serverAuth,clientAuth" } = options;
    const stem = this.#folder.file(`leaf-${this.#count++}`);
    const [certPath, keyPath, requestPath] = [`${stem}.pem`, `${stem}.key`, `${stem}.csr`];
    await openssl([
      ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"],
      ...["-subj", "/", "-keyout", keyPath, "-out", requestPath],
    ]);
    await Deno.writeTextFile(
      `${stem}.cnf`,
      [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        `extendedKeyUsage=${usage}`,
        `subjectAltName=${names.join(",")}`,
      ].join("\n"),
    );
    await openssl([
      ...["x509", "-req", "-sha256", "-in", requestPath, "-CA", this.ca.certPath, "-CAkey", this.ca.keyPath],
      ...["-set_serial", `0x${crypto.randomUUID().replaceAll("-", "").slice(0, 30)}`, "-days", `${days}`],
      ...["-extfile", `${stem}.cnf`, "-out", certPath],
    ]);
    return await readPair(certPath, keyPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function openssl(args: readonly string[]): Promise<void> {
  const { code, stderr } = await Process.run("openssl", { args });
  if (code !== 0) throw new Error(`Cannot run openssl ${args[0]}: ${stderr}`);
}

async function readPair(certPath: string, keyPath: string): Promise<KeyPair> {
  const [cert, key] = await Promise.all([Deno.readTextFile(certPath), Deno.readTextFile(keyPath)]);
  return { certPath, keyPath, cert, key };
}
