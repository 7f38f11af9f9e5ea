/** Certificate authorities that an operator names beside the machine's own. */
import { PosternError } from "../errors/mod.ts";

/** Longest file of authorities; those of a whole operating system are 250 KiB. */
const MAX_FILE_BYTES = 1_048_576;

/** Whether a text can hold certificates at all. */
export function holdsCertificates(pem: string): boolean {
  return pem.includes("-----BEGIN CERTIFICATE-----");
}

/** Reads certificates in PEM. Throws `ca_certificates_invalid`. */
export async function readAuthorities(path: string): Promise<string> {
  let pem: string;
  try {
    const { size } = await Deno.stat(path);
    pem = size > MAX_FILE_BYTES ? "" : await Deno.readTextFile(path);
  } catch (cause) {
    throw invalid(`Cannot read the CA file ${path}`, cause);
  }
  if (!holdsCertificates(pem)) throw invalid(`Cannot use the CA file ${path}: it holds no PEM certificates`);
  return pem;
}

/** The refusal of what is no list of certificates. */
export function badAuthorities(cause?: unknown): PosternError {
  return invalid("Cannot use the CA certificates: they are not valid PEM", cause);
}

function invalid(message: string, cause?: unknown): PosternError {
  return new PosternError("ca_certificates_invalid", message, { cause });
}
