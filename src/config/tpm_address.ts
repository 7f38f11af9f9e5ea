/** Where the agent's TPM is. */
import { formatHostPort } from "../bytes/mod.ts";
import { parseAddress } from "./address.ts";

/** Keys that a TPM's maker certifies, by the names of their templates. */
export const ekKinds = ["rsa2048", "p256", "p384"] as const;
export type EkKind = (typeof ekKinds)[number];

export type TpmAddress =
  /** A stream socket that takes commands as they are, such as swtpm's. */
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** A character device of the kernel. */
  | { readonly kind: "device"; readonly path: string }
  /** The device as standard input and output of this process. */
  | { readonly kind: "stdio" };

/** Longest path of a unix socket on Linux (sun_path, without its NUL). */
const maxSocketPathBytes = 107;

/** Reads `unix:/path`, `tcp:host:port`, `/dev/tpmrm0` or `stdio`; undefined when it is none of them. */
export function parseTpmAddress(text: string): TpmAddress | undefined {
  if (text === "stdio") return { kind: "stdio" };
  if (isPath(text)) return { kind: "device", path: text };
  const [, scheme, rest] = /^(unix|tcp):(.*)$/s.exec(text) ?? [];
  if (scheme === "unix") {
    const fits = new TextEncoder().encode(rest).length <= maxSocketPathBytes;
    return isPath(rest) && fits ? { kind: "unix", path: rest } : undefined;
  }
  if (scheme !== "tcp") return undefined;
  const address = parseAddress(rest);
  if (address === undefined || address.port === 0 || rest.startsWith(":")) return undefined;
  return { kind: "tcp", ...address };
}

/** The inverse of {@link parseTpmAddress}. */
export function formatTpmAddress(address: TpmAddress): string {
  switch (address.kind) {
    case "unix":
      return `unix:${address.path}`;
    case "tcp":
      return `tcp:${formatHostPort(address.host, address.port)}`;
    case "device":
      return address.path;
    case "stdio":
      return "stdio";
  }
}

function isPath(text: string): boolean {
  return /^\/[^\0]+$/.test(text);
}
