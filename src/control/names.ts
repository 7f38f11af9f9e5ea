/** Names of tunnels: the first label of their public hostname, or `*.` and a label for all hosts one below it. */
import { PosternError } from "../errors/mod.ts";
import type { Random } from "../ports/mod.ts";

/** Names that a viewer could take for the service itself, or that mail and certificate rules give power to. */
const RESERVED: ReadonlySet<string> = new Set([
  ...[
    "www",
    "api",
    "admin",
    "administrator",
    "control",
    "edge",
    "agent",
    "relay",
    "gateway",
    "proxy",
    "tunnel",
  ],
  ...[
    "tunnels",
    "postern",
    "dashboard",
    "console",
    "status",
    "health",
    "metrics",
    "internal",
    "localhost",
    "local",
  ],
  ...[
    "auth",
    "login",
    "account",
    "accounts",
    "oauth",
    "sso",
    "id",
    "billing",
    "pay",
    "security",
    "support",
    "help",
  ],
  ...[
    "docs",
    "blog",
    "cdn",
    "static",
    "assets",
    "app",
    "ns",
    "ns1",
    "ns2",
    "mail",
    "smtp",
    "imap",
    "pop",
  ],
  ...[
    "mx",
    "webmail",
    "autoconfig",
    "autodiscover",
    "wpad",
    "isatap",
    "mta-sts",
    "root",
    "postmaster",
    "hostmaster",
  ],
  ...[
    "webmaster",
    "abuse",
    "noc",
    "ssladmin",
    "ssladministrator",
    "sslwebmaster",
    "ftp",
    "ssh",
    "vpn",
    "test",
  ],
]);

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** What stands before a name that publishes every host one label below it. */
const WILDCARD = "*.";

/** `shop` of `*.shop`; undefined for a name that is no wildcard. */
export function wildcardBase(name: string): string | undefined {
  return name.startsWith(WILDCARD) ? name.slice(WILDCARD.length) : undefined;
}

/** The other name of the pair `shop` and `*.shop`: both belong to one owner, so that nobody speaks below another's name. */
export function pairedName(name: string): string {
  return wildcardBase(name) ?? WILDCARD + name;
}

/** Of a private service: nobody sees it in a host name. Throws `name_invalid`. */
export function checkPrivateName(name: string): void {
  if (label.test(name)) return;
  throw new PosternError("name_invalid", "Cannot use name: it is not made of a-z, 0-9 and hyphens");
}

/** Throws `name_invalid` or `name_reserved`. */
export function checkName(requested: string, alsoReserved: readonly string[]): void {
  const name = wildcardBase(requested) ?? requested;
  // xn-- would show as another script's letters: a way to imitate names.
  if (!label.test(name) || name.startsWith("xn--")) {
    throw new PosternError("name_invalid", "Cannot use name: it is not a host label of a-z, 0-9 and hyphens");
  }
  if (RESERVED.has(name) || alsoReserved.includes(name)) {
    throw new PosternError("name_reserved", "Cannot use name: it is reserved");
  }
}

const ADJECTIVES = (
  "amber ample brave brisk calm clear clever coral crisp daring eager early fair fleet fresh gentle " +
  "glad golden happy jolly keen kind lively lucky mellow merry noble proud quick quiet silver sunny"
).split(" ");
const NOUNS = (
  "acorn badger beacon birch brook cedar cliff comet crane delta ember falcon fjord glade harbor heron " +
  "island lark lynx maple meadow otter pebble pine raven reef river robin sparrow spruce tulip willow"
).split(" ");
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** `adjective-noun-xxxxxx` with 40 random bits: not to be guessed by trying names. */
export function randomName(random: Random): string {
  const bytes = random(8);
  const tail = Array.from(bytes.subarray(2), (byte) => ALPHABET[byte & 31]).join("");
  return `${ADJECTIVES[bytes[0] & 31]}-${NOUNS[bytes[1] & 31]}-${tail}`;
}
