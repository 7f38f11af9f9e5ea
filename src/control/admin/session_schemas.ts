/** JSON of accounts and sessions of administrators. */
import { z } from "@hono/zod-openapi";
import { MAX_PASSWORD_BYTES } from "../../crypto/mod.ts";
import { maxTokenChars } from "../../identity/mod.ts";
import { instantSchema } from "../schemas.ts";
import { inviteLifeMs, maxInviteLifeMs } from "./accounts.ts";
import { adminRoles } from "./authority.ts";
import { minPasswordChars } from "./login.ts";

const adminNameSchema = z.string().regex(/^[a-z0-9][a-z0-9._@+-]{0,62}$/, {
  error: "must be 1 to 63 lower-case letters, digits and ._@+-, beginning with a letter or digit",
}).openapi({ example: "ann" });
const role = z.enum(adminRoles).openapi({
  description: "owner: accounts too; operator: changes; viewer: looks.",
});
const accountId = z.string().min(1).max(64).openapi({ example: "adm_5nq3o2m1pXyR8t0a" });
// Its length is judged with a code of its own; here only what may be read at all.
const password = z.string().max(2 * MAX_PASSWORD_BYTES);
const code = z.string().max(16).openapi({ example: "492039" });
const sessionKind = z.enum(["cookie", "token"]).optional().openapi({
  description:
    "cookie (when absent): for browsers, by a page of this origin. token: for programs, as access and refresh token.",
});

export const loginRequestSchema = z.object({
  name: z.string().min(1).max(63),
  password,
  code: code.optional().openapi({ description: "Six digits, where the account has a second factor." }),
  session: sessionKind,
}).openapi("AdminLoginRequest");

const signedIn = {
  account_id: accountId,
  name: z.string(),
  role,
  csrf_token: z.string().optional().openapi({
    description: "With a cookie: send it as X-CSRF-Token with every POST.",
  }),
  access_token: z.string().optional().openapi({ description: "Bearer for 15 minutes." }),
  access_expires_at: instantSchema.optional(),
  refresh_token: z.string().optional().openapi({ description: "Secret; good for one refresh." }),
  session_ends_at: instantSchema,
};

export const loginResponseSchema = z.object(signedIn).openapi("AdminLoginResponse");

export const refreshRequestSchema = z.object({
  refresh_token: z.string().min(1).max(maxTokenChars),
}).openapi("AdminRefreshRequest");

export const setupRequestSchema = z.object({
  secret: z.string().min(1).max(128).openapi({ description: "What stands behind the # of the link." }),
  name: adminNameSchema,
  password: password.openapi({ description: `${minPasswordChars} characters at least.` }),
  session: sessionKind,
}).openapi("AdminSetupRequest");

export const logoutRequestSchema = z.object({
  everywhere: z.boolean().optional().openapi({ description: "End all sessions of the account." }),
}).openapi("AdminLogoutRequest");

export const logoutResponseSchema = z.object({
  sessions: z.int().openapi({ description: "How many were ended." }),
}).openapi("AdminLogoutResponse");

export const meResponseSchema = z.object({
  actor: z.string().openapi({ description: "What the audit log names." }),
  role,
  account_id: accountId.optional(),
  name: z.string().optional(),
  second_factor: z.boolean().optional().openapi({ description: "Whether a login takes a code." }),
  csrf_token: z.string().optional(),
  session_ends_at: instantSchema.optional(),
  sessions: z.array(z.object({
    session_id: z.string(),
    kind: z.enum(["cookie", "token"]),
    address: z.string(),
    opened_at: instantSchema,
    used_at: instantSchema,
    current: z.boolean(),
  })).optional().openapi({ description: "All of this account, the last used first." }),
}).openapi("AdminMeResponse");

export const accountsResponseSchema = z.object({
  accounts: z.array(z.object({
    account_id: accountId,
    name: z.string(),
    role,
    password: z.boolean().openapi({ description: "Whether it can sign in with a password." }),
    second_factor: z.boolean().openapi({ description: "Whether a login takes a code besides." }),
    provider: z.boolean().openapi({ description: "Whether it signs in by the OpenID provider." }),
    created_by: z.string(),
    created_at: instantSchema,
  })),
}).openapi("AdminAccountsResponse");

export const inviteRequestSchema = z.object({
  role,
  ttl_seconds: z.int().min(60).max(maxInviteLifeMs / 1_000).optional().openapi({
    description: `${inviteLifeMs / 1_000} when absent.`,
  }),
}).openapi("AdminInviteRequest");

export const inviteResponseSchema = z.object({
  url: z.string().openapi({ description: "Secret: whoever opens it first makes the account." }),
  role,
  expires_at: instantSchema,
}).openapi("AdminInviteResponse");

export const roleRequestSchema = z.object({ account_id: accountId, role }).openapi("AdminRoleRequest");
export const deleteAccountRequestSchema = z.object({ account_id: accountId }).openapi("AdminDeleteRequest");
export const accountChangedSchema = z.object({ account_id: accountId }).openapi("AdminAccountChanged");

export const passwordRequestSchema = z.object({
  current_password: password,
  new_password: password,
}).openapi("AdminPasswordRequest");

export const beginFactorRequestSchema = z.object({ current_password: password }).openapi(
  "AdminFactorBeginRequest",
);
export const beginFactorResponseSchema = z.object({
  secret: z.string().openapi({
    description: "base32, for an authenticator app. It counts once a code was seen.",
  }),
  url: z.string().openapi({ description: "The same as otpauth://totp/…" }),
  qr_svg: z.string(),
}).openapi("AdminFactorBeginResponse");
export const confirmFactorRequestSchema = z.object({ code }).openapi("AdminFactorConfirmRequest");
export const removeFactorRequestSchema = z.object({ current_password: password, code }).openapi(
  "AdminFactorRemoveRequest",
);
export const removeFactorOfRequestSchema = z.object({ account_id: accountId }).openapi(
  "AdminFactorRemoveOfRequest",
);
