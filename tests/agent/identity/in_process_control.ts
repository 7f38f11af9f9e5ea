import type { IdentityControl } from "../../../agent/identity/mod.ts";
import { toBase64Url } from "../../../src/bytes/mod.ts";
import {
  type EkProof,
  identityAnswer,
  type IdentityRenewRequest,
  nonceAnswer,
  revocationsAnswer,
  trustBundlesAnswer,
} from "../../../agent/identity_messages.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import type { Answer, Control } from "../../control/support.ts";

function told<T>({ status, json }: Answer, schema: { parse(value: unknown): T }): T {
  if (status !== 200) throw new PosternError(json.code as ErrorCode, json.detail);
  return schema.parse(json);
}

/** What a node asks of a control of this process, without sockets; `gate` may refuse in between. */
export function inProcess(
  control: Control,
  gate: () => void = () => {},
): IdentityControl & { renewals: number } {
  const ask = async <T>(schema: { parse(value: unknown): T }, answer: () => Promise<Answer>) => {
    gate();
    return told(await answer(), schema);
  };
  const client = {
    renewals: 0,
    enrollIdentity: (token: string, csr: string, _signal: AbortSignal, ekProof?: EkProof) => {
      const byTpm = ekProof === undefined
        ? {}
        : { enrollment_id: ekProof.enrollmentId, proof: toBase64Url(ekProof.proof) };
      return ask(identityAnswer, () => control.post("/v1/identity/enroll", { token, csr, ...byTpm }));
    },
    renewalNonce: async () => (await ask(nonceAnswer, () => control.post("/v1/identity/nonce", {}))).nonce,
    renewIdentity: (request: IdentityRenewRequest) => {
      client.renewals++;
      return ask(identityAnswer, () => control.post("/v1/identity/renew", request));
    },
    trustBundles: async (after: number) =>
      (await ask(trustBundlesAnswer, () => control.get(`/v1/trust-bundle?after=${after}`))).trust_bundles,
    nodeRevocations: () => ask(revocationsAnswer, () => control.get("/v1/revocations")),
  };
  return client;
}
