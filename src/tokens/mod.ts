/** Who verifies the tokens of agents at an edge: its own keys, those of other issuers, a remote verifier. */
export { type BoundedAnswer, boundedFetch } from "./bounded_fetch.ts";
export { claimOfRoutes, isForeignSubject, withForeignSubject } from "./foreign_claims.ts";
export { type OpenTokenVerifier, openTokenVerifier } from "./open.ts";
export { TokenVerifier } from "./token_verifier.ts";
