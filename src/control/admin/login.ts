/** Names and passwords. A name that nobody has costs as much as a wrong password, and is answered alike. */
import { equalConstantTime, utf8 } from "../../bytes/mod.ts";
import {
  DEFAULT_LOG_N,
  derivePassword,
  formatPasswordHash,
  MAX_PASSWORD_BYTES,
  parsePasswordHash,
  SALT_BYTES,
} from "../../crypto/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import type { AdminAccount } from "../../ports/mod.ts";
import { audit } from "../audit.ts";
import type { AuditBudget } from "../audit_budget.ts";
import type { ControlDeps } from "../config.ts";
import { adminPrefix } from "../credentials.ts";
import type { RateLimiter } from "../rate_limit.ts";

/** Shortest password, in characters. */
export const minPasswordChars = 12;
/** Hashes at the same time, of 16 MiB and 40 ms each, and how many wait. */
const maxHashes = 2;
const maxWaitingHashes = 16;

/** Compared with where there is no account, or none with a password: no password has this hash. */
const noHash = { logN: DEFAULT_LOG_N, salt: new Uint8Array(SALT_BYTES), hash: new Uint8Array(32) };

export interface LoginDeps extends Pick<ControlDeps, "store" | "clock" | "random"> {
  readonly hashes: HashTurns;
  readonly limiter: RateLimiter;
  readonly budget: AuditBudget;
}

/** Lets few hashes run at a time. */
export class HashTurns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Throws `admin_login_busy` when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= maxHashes) {
      if (this.#waiting.length >= maxWaitingHashes) {
        throw new PosternError("admin_login_busy", "Cannot check password: too many are being checked");
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await work();
    } finally {
      // Whoever waits takes over the turn, so that nobody gets in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

/** Throws `rate_limited`, `admin_login_busy`, `admin_login_refused`. */
export async function judgePassword(
  deps: LoginDeps,
  { name, password, clientIp }: {
    readonly name: string;
    readonly password: string;
    readonly clientIp: string;
  },
): Promise<AdminAccount> {
  deps.limiter.spend("account", name);
  const account = await deps.store.adminAccountByName(name);
  const kept = account?.passwordHash === undefined ? undefined : parsePasswordHash(account.passwordHash);
  const { hash, ...cost } = kept ?? noHash;
  const shown = await deps.hashes.run(() => derivePassword(password, cost));
  if (equalConstantTime(shown, hash) && kept !== undefined && account !== undefined) return account;
  // What nobody is called may be a password, typed into the wrong field.
  const subject = account?.accountId ?? "unknown";
  if (deps.budget.take()) {
    await audit(deps, {
      actor: "anonymous",
      action: "admin.login",
      subject,
      outcome: "admin_login_refused",
      detail: { address: clientIp },
    });
  }
  throw new PosternError("admin_login_refused", "Cannot sign in: name or password is wrong");
}

/** Throws `admin_password_weak`, `admin_login_busy`. @returns PHC string */
export async function hashOfPassword(
  { random, hashes }: Pick<LoginDeps, "random" | "hashes">,
  password: string,
): Promise<string> {
  if ([...password].length < minPasswordChars || utf8(password).length > MAX_PASSWORD_BYTES) {
    throw new PosternError(
      "admin_password_weak",
      `Cannot take password: it needs ${minPasswordChars} characters, and at most ${MAX_PASSWORD_BYTES} bytes`,
    );
  }
  const cost = { logN: DEFAULT_LOG_N, salt: random(SALT_BYTES) };
  const hash = await hashes.run(() => derivePassword(password, cost));
  return formatPasswordHash({ ...cost, hash });
}

/** How the audit log names an administrator. */
export function actorOf({ name }: Pick<AdminAccount, "name">): string {
  return `${adminPrefix}${name}`;
}
