/** Bytes: encodings, addresses, comparison, concatenation. */
export { type AddressBlock, AddressBlocks, parseAddressBlock } from "./address_blocks.ts";
export { concat, utf8, utf8Decode } from "./array.ts";
export { fromBase64Url, fromHex, toBase64Url, toHex } from "./encoding.ts";
export { equalConstantTime } from "./equal.ts";
export { instant } from "./instant.ts";
export { formatHostPort, ipBytes, ipText, networkOf, parseHostPort } from "./address.ts";
export * as der from "./der/mod.ts";
