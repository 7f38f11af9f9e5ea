/** Endorsement keys: which are a trusted manufacturer's, and secrets that only the TPM that holds one can open. Pure. */
export { aesCfbDecrypt, aesCfbEncrypt } from "./aes_cfb.ts";
export { type Certificate, isSelfSigned, maxCertificateBytes, readCertificate } from "./certificate.ts";
export { endOf, maxChainCertificates } from "./chain.ts";
export { describeEk, type EkDescription } from "./description.ts";
export { EkChainMemory } from "./chain_memory.ts";
export { KEY_USAGE, readExtensionList, readExtensions } from "./extensions.ts";
export { kdfa, kdfe } from "./kdf.ts";
export { type Credential, makeCredential } from "./make_credential.ts";
export { maxRevocationsBytes, noRevocations, readRevocations, type Revocations } from "./revocations.ts";
export { type CertifiedKey, checkStrength, keyObject, readPublicKey } from "./public_key.ts";
export { sharedSeed } from "./shared_seed.ts";
export { readSignatureAlgorithm, signatureHolds } from "./signature.ts";
export { EK_TEMPLATES, type EkTemplate, type EkTemplateName, isEkTemplateName } from "./template.ts";
export { type TpmIdentity, tpmIdentityOf } from "./tpm_identity.ts";
export { type EkTrust, ekTrustOf, maxCertificateFileBytes, noEkTrust, readCertificateFile } from "./trust.ts";
export { type EkChain, type EkClaim, type VerifiedEk, verifyEk, verifyEkChain } from "./verify.ts";
