/** What a published service may speak. */
export const serviceProtocols = ["http", "tcp", "tls", "udp"] as const;
export type ServiceProtocol = typeof serviceProtocols[number];
