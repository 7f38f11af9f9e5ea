/** The file of a service's users: a line each, `NAME:HASH`; empty lines and those that begin with `#` are passed over. */
import { parsePasswordHash } from "../crypto/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** A name without colon (RFC 7617 2) and control characters. */
export function isUserName(name: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are what is refused
  return name !== "" && name.length <= 64 && !/[:\u0000-\u001f\u007f]/.test(name);
}

/** Throws `users_file_invalid`; the message names the line and never what stands there. */
export function parseUsers(text: string, path: string): { name: string; hash: string }[] {
  const users = new Map<string, string>();
  text.split("\n").forEach((raw, index) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) return;
    const refuse = (state: string): never => {
      throw new PosternError("users_file_invalid", `Cannot use ${path}: line ${index + 1} ${state}`);
    };
    const colon = line.indexOf(":");
    const [name, hash] = [line.slice(0, colon), line.slice(colon + 1)];
    if (colon < 0 || !isUserName(name)) refuse("is not NAME:HASH");
    if (parsePasswordHash(hash) === undefined) {
      refuse("has no hash as `postern hash-password` prints it");
    }
    if (users.has(name)) refuse("names a user a second time");
    users.set(name, hash);
  });
  if (users.size === 0) throw new PosternError("users_file_invalid", `Cannot use ${path}: it names no user`);
  return [...users].map(([name, hash]) => ({ name, hash }));
}
