/** Alerts that are sent before a handshake (RFC 8446 6, RFC 7301 3.2). */
export const TlsAlert = {
  handshakeFailure: 40,
  accessDenied: 49,
  decodeError: 50,
  protocolVersion: 70,
  internalError: 80,
  unrecognizedName: 112,
  noApplicationProtocol: 120,
} as const;

export type TlsAlert = (typeof TlsAlert)[keyof typeof TlsAlert];

const ALERT_CONTENT_TYPE = 21;
const FATAL_LEVEL = 2;

/** A fatal alert in clear: what a client understands that has not seen a ServerHello yet. */
export function alertRecord(alert: TlsAlert): Uint8Array<ArrayBuffer> {
  // Version 3.3 stands in every record of TLS 1.2 and 1.3 (RFC 8446 5.1).
  return Uint8Array.of(ALERT_CONTENT_TYPE, 3, 3, 0, 2, FATAL_LEVEL, alert);
}
