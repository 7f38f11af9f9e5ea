import {
  DEFAULT_LOG_N,
  derivePassword,
  formatPasswordHash,
  MAX_PASSWORD_BYTES,
  SALT_BYTES,
} from "../../src/crypto/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { isUserName } from "../../src/rules/mod.ts";
import type { Call } from "../command.ts";

/** `postern hash-password [NAME]`: the first line of standard input as a salted hash, or a line for a file of users. */
export async function runHashPassword(call: Call): Promise<number> {
  const [name] = call.arguments;
  if (name !== undefined && !isUserName(name)) {
    throw new PosternError(
      "cli_argument_unexpected",
      "Cannot hash a password: a name has no colon and no control characters, and at most 64 characters",
    );
  }
  const password = await readLine();
  const salt = systemRandom(SALT_BYTES);
  const hash = await derivePassword(password, { logN: DEFAULT_LOG_N, salt });
  const text = formatPasswordHash({ logN: DEFAULT_LOG_N, salt, hash });
  call.terminal.out(`${name === undefined ? text : `${name}:${text}`}\n`);
  return 0;
}

/** Without its line ending. Throws `password_unusable`. */
async function readLine(): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_PASSWORD_BYTES + 2);
  let length = 0;
  let end = -1;
  while (end < 0 && length < bytes.length) {
    const read = await Deno.stdin.read(bytes.subarray(length));
    if (read === null) break;
    length += read;
    end = bytes.subarray(0, length).indexOf(newline);
  }
  let password = bytes.subarray(0, end < 0 ? length : end);
  if (password.at(-1) === carriageReturn) password = password.subarray(0, -1);
  if (password.length === 0) throw unusable("standard input has none");
  if (password.length > MAX_PASSWORD_BYTES) throw unusable(`it is longer than ${MAX_PASSWORD_BYTES} bytes`);
  return password;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

function unusable(state: string): PosternError {
  return new PosternError("password_unusable", `Cannot hash a password: ${state}`);
}
