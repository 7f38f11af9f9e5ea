/** The operator's files about TPM manufacturers: a directory of certificates, and a list of what is revoked. */
import {
  type Certificate,
  type EkTrust,
  ekTrustOf,
  maxCertificateFileBytes,
  maxRevocationsBytes,
  noRevocations,
  readCertificateFile,
  readRevocations,
  type Revocations,
} from "../attestation/ek/mod.ts";
import { PosternError } from "../errors/mod.ts";

export interface EkTrustFiles {
  /** Read with all directories in it. */
  readonly rootsDirectory: string;
  readonly revocationsFile: string | null;
}

/** What came of {@link EkTrustStore.reload}. Kept: everything is as it was before. */
export type EkTrustReload =
  | { readonly outcome: "reloaded" }
  | { readonly outcome: "kept"; readonly error: PosternError };

interface Loaded {
  readonly trust: EkTrust;
  /** Paths below the directory that are not read, because of their names. */
  readonly ignored: readonly string[];
}

/** What lies below a directory of this name is a root, also when somebody else signed it. */
const ANCHORS_DIRECTORY = "anchors";
const CERTIFICATE_NAME = /\.(pem|crt|cer|der)$/i;
/** All manufacturers together have some hundreds. */
const MAX_FILES = 4_096;
/** `Manufacturer/RootCA/file.cer` needs two. */
const MAX_DEPTH = 8;

/** Both files as they were when they were last read, together. */
export class EkTrustStore {
  readonly #files: EkTrustFiles;
  #loaded: Loaded;
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(files: EkTrustFiles, loaded: Loaded) {
    this.#files = files;
    this.#loaded = loaded;
  }

  /** Throws `ek_roots_unusable`, `ek_revocations_unusable`. */
  static async load(files: EkTrustFiles): Promise<EkTrustStore> {
    return new EkTrustStore(files, await load(files));
  }

  /** Another object after each reload that changed it. */
  get trust(): EkTrust {
    return this.#loaded.trust;
  }

  /** Files below the directory whose names are not those of certificates. */
  get ignored(): readonly string[] {
    return this.#loaded.ignored;
  }

  /** Reads all files again. Keeps what there is when any of them cannot be used. One at a time: the last one counts. */
  reload(): Promise<EkTrustReload> {
    const reloaded = this.#reloading.then(() => this.#reload());
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<EkTrustReload> {
    try {
      this.#loaded = await load(this.#files);
      return { outcome: "reloaded" };
    } catch (error) {
      if (!(error instanceof PosternError)) throw error;
      return { outcome: "kept", error };
    }
  }
}

async function load({ rootsDirectory, revocationsFile }: EkTrustFiles): Promise<Loaded> {
  const certificates: Certificate[] = [];
  const anchors: Certificate[] = [];
  const ignored: string[] = [];
  for (const path of await filesBelow(rootsDirectory)) {
    if (!CERTIFICATE_NAME.test(path)) {
      ignored.push(path);
      continue;
    }
    const bytes = await readWhole(
      path,
      maxCertificateFileBytes,
      (state, cause) => unusableRoots(path, state, cause),
    );
    const isAnchor = path.slice(rootsDirectory.length).split("/").slice(0, -1).includes(ANCHORS_DIRECTORY);
    (isAnchor ? anchors : certificates).push(...readCertificateFile(bytes, path));
  }
  const revocations = revocationsFile === null ? noRevocations : await loadRevocations(revocationsFile);
  return { trust: ekTrustOf(certificates, revocations, anchors), ignored };
}

async function loadRevocations(path: string): Promise<Revocations> {
  const bytes = await readWhole(
    path,
    maxRevocationsBytes,
    (state, cause) =>
      new PosternError("ek_revocations_unusable", `Cannot use the revocation list ${path}: ${state}`, {
        cause,
      }),
  );
  return readRevocations(bytes, path);
}

/** Every file, in the order of paths; hidden ones are nobody's certificates. Links are followed. */
async function filesBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (directory: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw unusableRoots(directory, `it lies more than ${MAX_DEPTH} directories deep`);
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(directory)) if (!name.startsWith(".")) names.push(name);
    } catch (cause) {
      throw unusableRoots(directory, stateOf(cause), cause);
    }
    for (const name of names.sort()) {
      const path = `${directory}/${name}`;
      const { isDirectory } = await Deno.stat(path).catch((cause) => {
        throw unusableRoots(path, stateOf(cause), cause);
      });
      if (isDirectory) await visit(path, depth + 1);
      else if (found.push(path) > MAX_FILES) {
        throw unusableRoots(root, `it holds more than ${MAX_FILES} files`);
      }
    }
  };
  await visit(root, 0);
  return found;
}

/** A whole file that has at most `maxBytes`; what is no ordinary file could be read for ever. */
async function readWhole(
  path: string,
  maxBytes: number,
  unusable: (state: string, cause?: unknown) => PosternError,
): Promise<Uint8Array> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile) throw unusable("it is no file");
    if (size > maxBytes) throw unusable(`it has more than ${maxBytes} bytes`);
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw unusable(stateOf(error), error);
  }
}

function unusableRoots(path: string, state: string, cause?: unknown): PosternError {
  return new PosternError(
    "ek_roots_unusable",
    `Cannot use ${path} as certificates of TPM manufacturers: ${state}`,
    {
      cause,
    },
  );
}

function stateOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "it must not be read by this user";
  return error instanceof Deno.errors.NotADirectory ? "it is no directory" : "it cannot be read";
}
