/** DER (X.690): what certificates and keys are written in. */
export { type DerElement, DerError, DerReader, TAG, toBoolean } from "./read.ts";
export * from "./write.ts";
