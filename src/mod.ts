/**
 * For programs: private services of other agents, end to end encrypted, without a process beside.
 *
 * ```ts
 * import { connectPrivate } from "./src/mod.ts";
 *
 * await using db = await connectPrivate({
 *   control: "https://tunnel.example.com",
 *   token: Deno.readTextFileSync("alice.token").trim(),
 *   service: "db",
 *   pins: ["sha256:yfsZzTd5UzQGZUp-Sp1gLpJYnBqNTW5qWqxWzlm0kVI"],
 * });
 * const { readable, writable } = await db.open();
 * ```
 */
export {
  connectPrivate,
  type ConnectPrivateOptions,
  type PrivateConnection,
  type PrivateStream,
} from "../agent/private/mod.ts";
export type { PeerAssurance, VerifiedPrivatePeer } from "./channel/mod.ts";
export { type ErrorCode, PosternError } from "./errors/mod.ts";
export type { Log, LogFields, LogLevel } from "./ports/mod.ts";
