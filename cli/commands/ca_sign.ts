/** `postern ca sign`: an issuing CA is certified where the root's key is, without network and without control. */
import { der, toHex } from "../../src/bytes/mod.ts";
import { maxSecretFileBytes, readSecretFile } from "../../src/config/mod.ts";
import { createPrivate, replacePrivate, systemClock, systemRandom } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import {
  type Authority,
  chainOfPem,
  issueAuthority,
  parseSpiffeId,
  pemOfChain,
  readCsr,
  readNodeCertificate,
} from "../../src/pki/mod.ts";
import { escapeControls } from "../../src/telemetry/mod.ts";
import { P256, spkiOfKey } from "../../src/x509/mod.ts";
import type { Call } from "../command.ts";

const dayMs = 86_400_000;
const defaultDays = 365;
/** Longest life of an issuing CA; its root ends it sooner. */
const maxDays = 3_650;
/** Clocks of nodes may be behind. */
const backdatedMs = 300_000;

/**
 * Throws `cli_flag_value_missing`, `config_value_invalid`, `csr_*`, `peer_certificate_malformed`, `ca_state_unusable` for a key that is
 * not the root's, `secret_file_exists`, and the codes of secret files.
 */
export async function signIssuing(call: Call): Promise<number> {
  const { request, "root-key-file": rootKey, "root-cert-file": rootCert, out, days = String(defaultDays) } =
    call.values;
  if (request === undefined || rootKey === undefined || rootCert === undefined || out === undefined) {
    throw new PosternError(
      "cli_flag_value_missing",
      "Cannot run postern ca sign: --request, --root-key-file, --root-cert-file and --out name files",
      { detail: { command: "ca" } },
    );
  }
  if (!/^\d{1,4}$/.test(days) || Number(days) < 1 || Number(days) > maxDays) {
    throw new PosternError("config_value_invalid", `Cannot use --days: expected 1 to ${maxDays}`);
  }
  const { publicKey, uris } = readCsr(await requestIn(request));
  const root = await rootOf(rootCert, rootKey);
  const { trustDomain } = parseSpiffeId(uris[0] ?? "");
  const nowMs = systemClock.wall();
  const validity = { notBeforeMs: nowMs - backdatedMs, notAfterMs: nowMs + Number(days) * dayMs };
  const certificate = await issueAuthority(root, trustDomain, publicKey, validity, systemRandom);
  await writeNew(call, out, pemOfChain([certificate.bytes]));
  const until = new Date(certificate.notAfterMs).toISOString();
  const facts = { file: out, trust_domain: trustDomain, sha256: certificate.sha256, expires_at: until };
  const told = `issuing CA ${certificate.sha256} for ${trustDomain} until ${until}, in ${out}`;
  call.terminal.out(`${call.switches.has("json") ? JSON.stringify(facts) : escapeControls(told)}\n`);
  return 0;
}

/** A file of the user, of at most 64 KiB. Throws `secret_file_unreadable`. */
export async function readText(path: string): Promise<string> {
  try {
    const { size } = await Deno.stat(path);
    if (size <= maxSecretFileBytes) return await Deno.readTextFile(path);
  } catch (cause) {
    throw new PosternError("secret_file_unreadable", `Cannot read ${path}: it is not accessible`, { cause });
  }
  throw new PosternError("secret_file_unreadable", `Cannot read ${path}: it is too long`);
}

/** Throws `secret_file_exists` unless --force says that it may be replaced. */
export async function writeNew(call: Call, path: string, text: string): Promise<void> {
  if (call.switches.has("force")) return await replacePrivate(path, text);
  if (await createPrivate(path, text)) return;
  throw new PosternError("secret_file_exists", `Cannot write ${path}: there is such a file already`);
}

async function requestIn(path: string): Promise<Uint8Array> {
  try {
    return der.fromPem(await readText(path));
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw new PosternError("csr_malformed", `Cannot read ${path}: it is no PEM`, { cause });
  }
}

async function rootOf(certificatePath: string, keyPath: string): Promise<Authority> {
  const certificate = readNodeCertificate(chainOfPem(await readText(certificatePath))[0]);
  const { secret } = await readSecretFile(keyPath, Deno);
  const unusable = (state: string, cause?: unknown) =>
    new PosternError("ca_state_unusable", `Cannot use ${keyPath}: ${state}`, { cause });
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("pkcs8", der.fromPem(secret), P256, true, ["sign"]);
  } catch (cause) {
    throw unusable("it holds no P-256 key", cause);
  }
  const { d: _secret, key_ops: _use, ...jwk } = await crypto.subtle.exportKey("jwk", key);
  const spki = await spkiOfKey(await crypto.subtle.importKey("jwk", jwk, P256, true, ["verify"]));
  if (toHex(spki) !== toHex(certificate.key.spki)) {
    throw unusable("it is not the key of the root's certificate");
  }
  return { certificate, privateKey: key };
}
