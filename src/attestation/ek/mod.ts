/** Endorsement keys: which are a trusted manufacturer's, and secrets that only the TPM that holds one can open. Pure. */
export { type Certificate, maxCertificateBytes, readCertificate } from "./certificate.ts";
export { maxChainCertificates } from "./chain.ts";
export { EkChainMemory } from "./chain_memory.ts";
export { kdfa, kdfe } from "./kdf.ts";
export { type Credential, makeCredential } from "./make_credential.ts";
export { maxRevocationsBytes, noRevocations, readRevocations, type Revocations } from "./revocations.ts";
export { EK_TEMPLATES, type EkTemplate, type EkTemplateName, isEkTemplateName } from "./template.ts";
export { type TpmIdentity, tpmIdentityOf } from "./tpm_identity.ts";
export { type EkTrust, ekTrustOf, maxCertificateFileBytes, noEkTrust, readCertificateFile } from "./trust.ts";
export { type EkChain, type EkClaim, type VerifiedEk, verifyEk, verifyEkChain } from "./verify.ts";
