/** Failures of administrators: who signs in, what they may do, and secrets that are delivered once. */
import type { ErrorFacts } from "../error.ts";

export const ADMIN_ERRORS = {
  admin_login_refused: {
    title: "Name or password is wrong",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "No administrator has this name and this password. Which of the two is wrong is not told.",
    remedy:
      "Type both again. An owner can set another password; on the edge's own machine `postern admin reset --out FILE` " +
      "makes a link for a new owner.",
  },
  admin_login_busy: {
    title: "Too many passwords are being checked",
    blame: "peer",
    retryable: true,
    status: 503,
    exit: 5,
    cause: "Checking a password is made expensive, and as many as may wait are waiting already.",
    remedy: "Try again in a few seconds. If it repeats, somebody is trying passwords: look at the audit log.",
  },
  admin_session_ended: {
    title: "Session is over",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause:
      "The session was not used for an hour, is twelve hours old, was signed out, or its account was deleted or got " +
      "another password.",
    remedy: "Sign in again.",
  },
  admin_refresh_reused: {
    title: "Refresh token was used before",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause:
      "Each refresh token is exchanged for the next one. This one came a second time, so somebody has a copy of it: the " +
      "session was ended for both.",
    remedy: "Sign in again. If no program of yours sends it twice, treat it as stolen: change the password.",
  },
  csrf_refused: {
    title: "Request came from another page",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "A request that changes something was sent with the cookie of an administrator, but without the token of its session, " +
      "or by a page of another origin.",
    remedy:
      "Open the dashboard by its own address and try again. Programs use `Authorization: Bearer`, which needs no such token.",
  },
  admin_role_insufficient: {
    title: "Account does not have this right",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "Viewers look, operators change, and only owners manage accounts.",
    remedy: "Ask an owner to do it, or to give the account another role.",
  },
  admin_invite_refused: {
    title: "Link is not valid any more",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "The link was used, has expired, was never made, or was for the first account while there is one by now.",
    remedy:
      "Ask an owner for another one, or make one on the edge's machine: `postern admin reset --out FILE`.",
  },
  admin_invites_full: {
    title: "Too many open invites",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many invites as are kept can still be used.",
    remedy: "Wait until some have expired; each does within an hour unless it was given longer.",
  },
  admin_password_weak: {
    title: "Password is too short or too long",
    blame: "peer",
    retryable: false,
    status: 400,
    exit: 2,
    cause: "A password of an administrator has 12 characters at least and 512 bytes at most.",
    remedy: "Choose a longer one: several words do.",
  },
  admin_name_taken: {
    title: "Name of the account is taken",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 2,
    cause: "Another administrator has this name.",
    remedy: "Choose another name. The link is not spent.",
  },
  admin_accounts_full: {
    title: "Too many accounts",
    blame: "operator",
    retryable: false,
    status: 409,
    exit: 1,
    cause: "A thousand accounts of administrators are kept at most.",
    remedy: "Delete those that are not used any more.",
  },
  admin_account_unknown: {
    title: "No such account",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 1,
    cause: "No administrator has this account id.",
    remedy: "List the accounts and use one of their ids.",
  },
  admin_last_owner: {
    title: "Account is the last owner",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 1,
    cause: "Without an owner nobody could manage accounts any more.",
    remedy: "Make another account owner first.",
  },
  delivery_gone: {
    title: "Link shows nothing any more",
    blame: "peer",
    retryable: false,
    status: 410,
    exit: 3,
    cause:
      "The link was opened before, has expired, or was never made. What it held was shown once and deleted.",
    remedy:
      "Ask whoever sent it for another one. If you have not opened it, somebody else has: tell them, so that they revoke " +
      "what was enrolled with it. The audit log says when it was opened, and from where.",
  },
  deliveries_full: {
    title: "Too many open links",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many links as are kept can still be opened.",
    remedy: "Wait until some have expired, or write tokens into files: `postern enroll-token --out FILE`.",
  },
  nodes_full: {
    title: "Too many nodes",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many connectors and tunnelers as are kept are known already.",
    remedy: "Revoke those that are not used any more.",
  },
} as const satisfies Record<string, ErrorFacts>;
