/** The closed union of error codes: one file a layer, joined here. Each code has a docs page of the same name. */
import type { ErrorFacts } from "../error.ts";
import { AGENT_ERRORS } from "./agent.ts";
import { ATTESTATION_KEY_ERRORS } from "./attestation_key.ts";
import { CHANNEL_ERRORS } from "./channel.ts";
import { CONFIG_ERRORS } from "./config.ts";
import { CONTROL_ERRORS } from "./control.ts";
import { CRYPTO_ERRORS } from "./crypto.ts";
import { EDGE_ERRORS } from "./edge.ts";
import { GRANT_ERRORS } from "./grants.ts";
import { HTTP_ERRORS } from "./http.ts";
import { HTTP2_ERRORS } from "./http2.ts";
import { NODE_ERRORS } from "./nodes.ts";
import { PKI_ERRORS } from "./pki.ts";
import { PRIVATE_ERRORS } from "./private.ts";
import { QUOTE_ERRORS } from "./quote.ts";
import { RELAY_ERRORS } from "./relay.ts";
import { RELEASE_ERRORS } from "./release.ts";
import { TLS_ERRORS } from "./tls.ts";
import { TPM_CLIENT_ERRORS } from "./tpm_client.ts";
import { TOKEN_VERIFICATION_ERRORS } from "./token_verification.ts";
import { TPM_STRUCTURE_ERRORS } from "./tpm_structure.ts";
import { WEBSOCKET_ERRORS } from "./websocket.ts";
import { WIRE_ERRORS } from "./wire.ts";

const ALL = {
  ...AGENT_ERRORS,
  ...ATTESTATION_KEY_ERRORS,
  ...CHANNEL_ERRORS,
  ...CONFIG_ERRORS,
  ...CONTROL_ERRORS,
  ...CRYPTO_ERRORS,
  ...EDGE_ERRORS,
  ...GRANT_ERRORS,
  ...HTTP_ERRORS,
  ...HTTP2_ERRORS,
  ...NODE_ERRORS,
  ...PKI_ERRORS,
  ...PRIVATE_ERRORS,
  ...QUOTE_ERRORS,
  ...RELAY_ERRORS,
  ...RELEASE_ERRORS,
  ...TLS_ERRORS,
  ...TPM_CLIENT_ERRORS,
  ...TOKEN_VERIFICATION_ERRORS,
  ...TPM_STRUCTURE_ERRORS,
  ...WEBSOCKET_ERRORS,
  ...WIRE_ERRORS,
} as const satisfies Record<string, ErrorFacts>;

/** Every stable code. */
export type ErrorCode = keyof typeof ALL;

/** What is known about each code. */
export const CATALOGUE: Readonly<Record<ErrorCode, ErrorFacts>> = ALL;

/** Whether peer text names a code that we know. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ALL, text);
}
