/** People who administer, and how they are signed in. Secrets are kept as hashes only. */

/** Each may do what the next one may: `owner` accounts, `operator` changes, `viewer` looks. */
export type AdminRole = "owner" | "operator" | "viewer";

export interface AdminAccount {
  /** What everything else refers to; never used again for another one. */
  readonly accountId: string;
  /** What is typed at the login; unique. */
  readonly name: string;
  readonly role: AdminRole;
  /** PHC string; absent: this account comes in by its provider only. */
  readonly passwordHash?: string;
  /** Issuer and subject at the OpenID provider, as one text; unique. */
  readonly subject?: string;
  readonly createdBy: string;
  readonly createdAtMs: number;
}

/** What of an account may change. */
export interface AdminAccountChange {
  readonly role?: AdminRole;
  readonly passwordHash?: string;
}

/** Makes one account. */
export interface AdminInvite {
  /** SHA-256 of its secret: 64 lower-case hex digits. */
  readonly secretSha256: string;
  readonly role: AdminRole;
  /** Good for nothing as soon as there is any account. */
  readonly onlyFirst: boolean;
  readonly createdBy: string;
  readonly expiresAtMs: number;
}

/** `cookie`: its secret stays the same; `token`: its secret is exchanged at each refresh. */
export interface AdminSession {
  /** Public: what access tokens and lists name. */
  readonly sessionId: string;
  /** SHA-256 of the secret that counts now: 64 lower-case hex digits. */
  readonly secretSha256: string;
  readonly kind: "cookie" | "token";
  readonly accountId: string;
  /** Network address that it was opened from. */
  readonly address: string;
  readonly openedAtMs: number;
  readonly usedAtMs: number;
  readonly expiresAtMs: number;
}

/** What an authenticator app and we have in common (RFC 6238). */
export interface AdminTotp {
  /** 20 bytes, base64url. Secret, and kept as it is: codes are computed of it. */
  readonly secret: string;
  /** A code of it was seen: from then on one is needed. */
  readonly isConfirmed: boolean;
}

/** A secret that somebody may fetch once. What is kept of it opens only with a secret that is not kept. */
export interface Delivery {
  /** SHA-256 of the secret in the link: 64 lower-case hex digits. */
  readonly secretSha256: string;
  /** What is delivered: the public id of a token. */
  readonly subject: string;
  /** base64url. */
  readonly sealed: string;
  readonly expiresAtMs: number;
}

export interface AdminStore {
  /** By name. There are a thousand at most. */
  adminAccounts(): Promise<AdminAccount[]>;
  adminAccount(accountId: string): Promise<AdminAccount | undefined>;
  adminAccountByName(name: string): Promise<AdminAccount | undefined>;
  adminAccountBySubject(subject: string): Promise<AdminAccount | undefined>;
  /** Writes an account whose right to be was judged by the caller. */
  addAdminAccount(account: AdminAccount): Promise<"added" | "name_taken" | "too_many">;
  /** `last_owner`: somebody has to be left who can manage accounts. */
  changeAdminAccount(
    accountId: string,
    change: AdminAccountChange,
  ): Promise<"changed" | "unknown" | "last_owner">;
  /** With all its sessions. */
  deleteAdminAccount(accountId: string): Promise<"deleted" | "unknown" | "last_owner">;
  adminTotp(accountId: string): Promise<AdminTotp | undefined>;
  /** Takes the place of one that was not confirmed; false where one is. */
  proposeAdminTotp(accountId: string, secret: string, atMs: number): Promise<boolean>;
  /** Spends the step, and confirms the secret: true for one caller, and never for a step again or one before it. */
  spendAdminTotp(accountId: string, step: number): Promise<boolean>;
  removeAdminTotp(accountId: string): Promise<boolean>;
  /** Accounts with a second factor that is confirmed. */
  adminTotpAccounts(): Promise<string[]>;
  /** Throws `admin_invites_full` rather than forget one that can still be used. */
  putAdminInvite(invite: AdminInvite): Promise<void>;
  /** Role of an invite that can be used now. */
  adminInvite(secretSha256: string, nowMs: number): Promise<AdminInvite | undefined>;
  /** Spends the invite and writes the account with the invite's role and maker: both or neither. */
  acceptAdminInvite(
    secretSha256: string,
    nowMs: number,
    account: Omit<AdminAccount, "role" | "createdBy">,
  ): Promise<AdminAccount | "refused" | "name_taken" | "too_many">;
  /** Of one account at most `maxPerAccount` are kept; those that were used longest ago go. */
  openAdminSession(session: AdminSession, maxPerAccount: number): Promise<void>;
  adminSession(sessionId: string): Promise<AdminSession | undefined>;
  adminSessionBySecret(secretSha256: string): Promise<AdminSession | undefined>;
  /** In order of use, the last first. */
  adminSessionsOf(accountId: string): Promise<AdminSession[]>;
  /** Moves `usedAtMs` later, never earlier. */
  useAdminSession(sessionId: string, nowMs: number): Promise<void>;
  /**
   * Puts another secret in the place of the one that counts now. One that was replaced before ends its session: `reused`,
   * with what the session was; undefined: nobody knows it.
   */
  rotateAdminSession(
    secretSha256: string,
    nextSha256: string,
    nowMs: number,
  ): Promise<{ readonly outcome: "rotated" | "reused"; readonly session: AdminSession } | undefined>;
  /** False when there was none. */
  closeAdminSession(sessionId: string): Promise<boolean>;
  /** All of an account, but for `exceptId`; how many. */
  closeAdminSessions(accountId: string, exceptId?: string): Promise<number>;
  /** Throws `deliveries_full` rather than forget one that can still be fetched. */
  putDelivery(delivery: Delivery): Promise<void>;
  /** Returns and removes it: undefined from the second call on, also for other processes, and once it is over. */
  takeDelivery(secretSha256: string, nowMs: number): Promise<Delivery | undefined>;
}
