import { X509Certificate } from "node:crypto";
import type { SecureContext } from "node:tls";
import { PosternError } from "../../errors/mod.ts";
import type { ServerContexts } from "./accept.ts";
import { type CertificateFiles, loadCertificate, type LoadedCertificate } from "./certificate_file.ts";

export interface CertificateStoreOptions {
  /** The first one is the default. */
  readonly files: readonly CertificateFiles[];
  /**
   * What clients get that ask for a name without a certificate, or for none: the `default` certificate, or a refusal
   * with `tls_unknown_name`.
   */
  readonly unknownNames?: "default" | "refuse";
}

/** What came of {@link CertificateStore.reload}. Failed: everything is as it was before. */
export type CertificateReload =
  | { readonly outcome: "reloaded"; readonly warnings: readonly string[] }
  | { readonly outcome: "kept"; readonly error: PosternError };

interface Contexts {
  readonly byName: ReadonlyMap<string, SecureContext>;
  readonly fallback: SecureContext | undefined;
  readonly loaded: readonly LoadedCertificate[];
}

/**
 * The edge's certificates by the names in them. A reload replaces all of them at once, for new connections: those
 * that are established keep what they began with.
 */
export class CertificateStore implements ServerContexts {
  readonly #options: CertificateStoreOptions;
  #contexts: Contexts;
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(options: CertificateStoreOptions, contexts: Contexts) {
    this.#options = options;
    this.#contexts = contexts;
  }

  /** Throws `certificate_unusable`, `certificate_is_authority`, `secret_file_unreadable`, `secret_file_permissions`. */
  static async load(options: CertificateStoreOptions): Promise<CertificateStore> {
    return new CertificateStore(options, await loadContexts(options));
  }

  /** Advice for the operator about the files in use. */
  get warnings(): readonly string[] {
    return this.#contexts.loaded.flatMap(({ warnings }) => warnings);
  }

  /** The certificates in use, the default first: for expiry metrics and diagnostics. */
  get certificates(): readonly X509Certificate[] {
    return this.#contexts.loaded.map(({ certificate }) => certificate);
  }

  /** Exact name, then the wildcard of one label, then the default. */
  contextFor(serverName: string | undefined): SecureContext | undefined {
    const { byName, fallback } = this.#contexts;
    return (serverName === undefined ? undefined : covering(byName, serverName)) ?? fallback;
  }

  /** Whether a certificate names it, itself or by a wildcard. */
  covers(serverName: string): boolean {
    return covering(this.#contexts.byName, serverName) !== undefined;
  }

  /** Whether the certificate that a client with this server name gets is good for the hostname as well. */
  coversBoth(serverName: string, hostname: string): boolean {
    const context = this.contextFor(serverName);
    const certificate = this.#contexts.loaded.find((loaded) => loaded.context === context);
    if (certificate === undefined) return false;
    const dot = hostname.indexOf(".");
    const wildcard = dot > 0 ? `*${hostname.slice(dot)}` : undefined;
    return certificate.names.some((name) => name === hostname || name === wildcard);
  }

  /** Reads all files again. Keeps what there is when any of them cannot be used. One at a time: the last one counts. */
  reload(): Promise<CertificateReload> {
    const reloaded = this.#reloading.then(() => this.#reload());
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<CertificateReload> {
    try {
      this.#contexts = await loadContexts(this.#options);
      return { outcome: "reloaded", warnings: this.warnings };
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      return { outcome: "kept", error };
    }
  }
}

function covering(byName: Contexts["byName"], serverName: string): SecureContext | undefined {
  const dot = serverName.indexOf(".");
  return byName.get(serverName) ?? (dot > 0 ? byName.get(`*${serverName.slice(dot)}`) : undefined);
}

async function loadContexts({ files, unknownNames = "default" }: CertificateStoreOptions): Promise<Contexts> {
  const loaded: LoadedCertificate[] = [];
  for (const pair of files) loaded.push(await loadCertificate(pair));
  const byName = new Map<string, SecureContext>();
  // Of two certificates for one name the first one counts.
  for (const { names, context } of loaded.toReversed()) for (const name of names) byName.set(name, context);
  return { byName, fallback: unknownNames === "default" ? loaded[0]?.context : undefined, loaded };
}
