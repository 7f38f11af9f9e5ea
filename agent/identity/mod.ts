/** The identity of a node: enrolled once, kept on disk, renewed while connections stay open. */
export { EnrolledIdentity, type EnrolledIdentityOptions, type IdentityControl } from "./enrolled_identity.ts";
export { ekProver } from "./ek_prover.ts";
export { secretFilesOf } from "./chosen_files.ts";
export { hostKeyFileIn, hostKeyOf, openToken } from "./host_key.ts";
export { identityFileIn } from "./identity_file.ts";
export { plainFiles, type SecretFiles } from "./secret_files.ts";
