/** TPMs that are made up: what enrollment itself does with keys does not depend on how they are judged. */
import { createHash } from "node:crypto";
import { agentIdOf, enrollmentProof } from "../../src/attestation/mod.ts";
import { concat, fromBase64Url, toBase64Url, toHex, utf8 } from "../../src/bytes/mod.ts";
import type { MachineTrust } from "../../src/control/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Control } from "./support.ts";

const sha256 = (...parts: Uint8Array[]) =>
  new Uint8Array(createHash("sha256").update(concat(...parts)).digest());

/** What only a TPM with both keys knows. */
const wrapping = (ek: Uint8Array, akName: Uint8Array) => sha256(utf8("wrap"), ek, akName);
const xor = (a: Uint8Array, b: Uint8Array) => a.map((byte, at) => byte ^ b[at]);
const nameOf = (akPublic: Uint8Array) => concat(new Uint8Array([0, 0x0b]), sha256(akPublic));

/** Takes the first certificate for the key itself; refuses one that begins with 0xff. */
export const madeTrust: MachineTrust = {
  judgeKeys({ ekCertificates: [ek], akPublic }) {
    if (ek[0] === 0xff) throw new PosternError("certificate_invalid", "Cannot accept EK: it is not trusted");
    const akName = nameOf(akPublic);
    return {
      ekSpki: ek,
      akName,
      makeCredential: (secret) => ({
        credentialBlob: xor(secret, wrapping(ek, akName)),
        encryptedSecret: new Uint8Array([1, 2, 3]),
      }),
    };
  },
};

/** A machine: its EK and its AK. */
export class MadeMachine {
  readonly ek: Uint8Array;
  readonly ak: Uint8Array;

  constructor(ek: string, ak: string = ek) {
    this.ek = utf8(`ek of ${ek}`);
    this.ak = utf8(`ak of ${ak}`);
  }

  get agentId(): string {
    return agentIdOf(this.ek);
  }
  get ekSha256(): string {
    return toHex(sha256(this.ek));
  }
  get akName(): Uint8Array {
    return nameOf(this.ak);
  }

  /** Body of the first request. */
  begin(token: string) {
    return {
      token,
      ek_certificates: [toBase64Url(this.ek), toBase64Url(utf8("issuer"))],
      ek_template: "p256",
      ak_public: toBase64Url(this.ak),
    };
  }

  /** Body of the second one: what this machine makes of the answer to whatever machine began. */
  finish(begun: { enrollment_id: string; agent_id: string; credential_blob: string; nonce: string }) {
    const secret = xor(fromBase64Url(begun.credential_blob), wrapping(this.ek, this.akName));
    const proof = enrollmentProof(secret, {
      nonce: fromBase64Url(begun.nonce),
      enrollmentId: begun.enrollment_id,
      agentId: begun.agent_id,
      akName: this.akName,
    });
    return { enrollment_id: begun.enrollment_id, proof: toBase64Url(proof) };
  }

  /** Both requests; the answer to the second. */
  async enroll(control: Control, token: string, clientIp?: string) {
    const begun = await control.post("/v1/enroll/begin", this.begin(token), undefined, clientIp);
    if (begun.status !== 200) return begun;
    return await control.post("/v1/enroll/finish", this.finish(begun.json), undefined, clientIp);
  }
}

/** An enrollment token of an operator. */
export async function tokenFor(control: Control, body: Record<string, unknown> = {}): Promise<string> {
  const operator = await control.tokenOf("ops", "operator");
  const { status, json } = await control.post("/v1/enroll/tokens", body, operator);
  if (status !== 200) throw new Error(JSON.stringify(json));
  return json.token;
}
