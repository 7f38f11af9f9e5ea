/** The agent's TPM: identity, activation of credentials, quotes. */
export { TpmProvider } from "./provider.ts";
export { type SealedKey, TpmSealer } from "./sealer.ts";
export { DEFAULT_PCRS, openTpm, type Tpm, type TpmDeps, type TpmState } from "./tpm.ts";
