/** Errors with stable codes. Every other module imports from here. */
export { type Blame, codeOf, type ErrorFacts, errorOf, PosternError } from "./error.ts";
export { CATALOGUE, type ErrorCode, isErrorCode } from "./catalogue/mod.ts";
