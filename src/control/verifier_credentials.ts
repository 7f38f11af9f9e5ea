/** Who may ask control about tokens: edges that share no database with it. */
import { createHash } from "node:crypto";
import { equalConstantTime, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** As hard to guess as the hash that is compared. */
const minCredentialBytes = 32;
/** Each request is compared with all of them. */
const maxCredentials = 256;

interface Credential {
  readonly name: string;
  readonly sha256: Uint8Array;
}

export class VerifierCredentials {
  readonly #credentials: readonly Credential[];

  private constructor(credentials: readonly Credential[]) {
    this.#credentials = credentials;
  }

  /**
   * Of the text of a file with `NAME CREDENTIAL` on each line; a name may come twice while its credential is changed. Lines
   * that begin with `#` are remarks. Throws `verifier_credentials_invalid`; messages hold line numbers only.
   */
  static read(text: string): VerifierCredentials {
    const credentials: Credential[] = [];
    for (const [at, raw] of text.split("\n").entries()) {
      const line = raw.trim();
      if (line === "" || line.startsWith("#")) continue;
      const match = /^([A-Za-z0-9._-]{1,64})[ \t]+([\x21-\x7e]{1,8192})$/.exec(line);
      if (match === null) throw invalid(`line ${at + 1} is not NAME CREDENTIAL`);
      const [, name, credential] = match;
      if (credential.length < minCredentialBytes) {
        throw invalid(
          `the credential of line ${
            at + 1
          } has ${credential.length} characters, fewer than ${minCredentialBytes}`,
        );
      }
      credentials.push({ name, sha256: sha256(credential) });
    }
    if (credentials.length === 0 || credentials.length > maxCredentials) {
      throw invalid(`there are ${credentials.length}, and there may be 1 to ${maxCredentials}`);
    }
    return new VerifierCredentials(credentials);
  }

  /** Whose credential it is; undefined for nobody's. Takes as long for each. */
  nameOf(credential: string): string | undefined {
    const shown = sha256(credential);
    let name: string | undefined;
    for (const one of this.#credentials) {
      if (equalConstantTime(one.sha256, shown)) name = one.name;
    }
    return name;
  }
}

function sha256(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(utf8(text)).digest());
}

function invalid(state: string): PosternError {
  return new PosternError("verifier_credentials_invalid", `Cannot use credentials of edges: ${state}`);
}
