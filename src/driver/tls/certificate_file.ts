import { createPrivateKey, X509Certificate } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { maxSecretFileBytes, readSecretFile } from "../../config/mod.ts";
import { PosternError } from "../../errors/mod.ts";

/** Paths of PEM files. */
export interface CertificateFiles {
  /** The certificate, then what links it to an authority that clients trust. */
  readonly certPath: string;
  readonly keyPath: string;
}

export interface LoadedCertificate {
  readonly certificate: X509Certificate;
  readonly context: tls.SecureContext;
  /** Lower-case DNS names of the certificate, wildcards included. */
  readonly names: readonly string[];
  /** Sentences for the operator. */
  readonly warnings: readonly string[];
}

/**
 * Reads a certificate with its key and makes sure that TLS can use them. An expired certificate is loaded: that is
 * the clients' judgement. Throws `certificate_unusable`, `certificate_is_authority`, `secret_file_unreadable`,
 * `secret_file_permissions`.
 */
export async function loadCertificate(files: CertificateFiles): Promise<LoadedCertificate> {
  const { certPath, keyPath } = files;
  const cert = await readCertificates(certPath);
  const { secret: key, warning } = await readSecretFile(keyPath, Deno);
  const certificate = attempt(
    certPath,
    "it holds no certificate in PEM form",
    () => new X509Certificate(cert),
  );
  const privateKey = attempt(
    keyPath,
    "it holds no private key in PEM form without a passphrase",
    () => createPrivateKey(key),
  );
  if (!attempt(keyPath, "its kind of key is not supported", () => certificate.checkPrivateKey(privateKey))) {
    throw unusable(keyPath, `it does not belong to the certificate in ${certPath}`);
  }
  const context = attempt(
    certPath,
    "its kind of key is not supported",
    () => tls.createSecureContext({ cert, key }),
  );
  await probe(context, certPath);
  if (certificate.ca) throw authority(certPath);
  return {
    certificate,
    context,
    names: namesOf(certificate),
    warnings: warning === undefined ? [] : [warning],
  };
}

async function readCertificates(path: string): Promise<string> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw unusable(path, "it is not a regular file");
    if (size > maxSecretFileBytes) throw unusable(path, `it is longer than ${maxSecretFileBytes} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw unusable(path, "it does not exist or is not readable", error);
  }
}

/** Whether TLS takes the key: a context is made from anything, and fails when a connection comes. */
async function probe(context: tls.SecureContext, path: string): Promise<void> {
  let failure: unknown;
  const nothing = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const socket = new tls.TLSSocket(nothing, { isServer: true, secureContext: context });
  socket.on("error", (error) => failure ??= error);
  socket.on("_tlsError", (error) => failure ??= error);
  // It starts on the next tick, and says then what is wrong.
  await setImmediate();
  socket.destroy();
  if (failure !== undefined) throw unusable(path, "its kind of key is not supported", failure);
}

/** Clients have not looked at the common name for years (RFC 9525), so neither does this. */
function namesOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? "").split(", ").filter((entry) => entry.startsWith("DNS:"))
    .map((entry) => entry.slice("DNS:".length).toLowerCase());
}

function attempt<T>(path: string, state: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unusable(path, state, error);
  }
}

/** RFC 5280 4.2.1.9: agents and many other clients take no such certificate from a server. */
function authority(path: string): PosternError {
  return new PosternError(
    "certificate_is_authority",
    `Cannot use ${path}: it is the certificate of an authority (CA:TRUE), which clients do not take from a server; have ` +
      "it sign one for the edge",
    { detail: { path } },
  );
}

/** The cause stays out of logs of the message: libraries may quote the file. */
function unusable(path: string, state: string, cause?: unknown): PosternError {
  return new PosternError("certificate_unusable", `Cannot use ${path}: ${state}`, {
    cause,
    detail: { path },
  });
}
