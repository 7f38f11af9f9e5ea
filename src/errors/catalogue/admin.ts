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
  admin_code_required: {
    title: "A code is needed besides the password",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "Name and password are right, and the account has a second factor.",
    remedy:
      "Send the six digits that the authenticator app shows now, as `code`, together with name and password.",
  },
  admin_code_refused: {
    title: "Code is not valid",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause:
      "The six digits are not those of now, half a minute ago or in half a minute; or they were used before, or newer ones were.",
    remedy:
      "Wait for the next code of the app, and see that the clocks of app and edge are right. Where the app is lost, an " +
      "owner can take the second factor away; `postern admin reset --out FILE` makes a link for a new owner.",
  },
  admin_factor_present: {
    title: "Account has a second factor already",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 2,
    cause: "One authenticator app counts for an account, and a code of it was seen.",
    remedy: "Remove the present second factor first.",
  },
  admin_factor_absent: {
    title: "Account has no second factor",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 2,
    cause: "It was not begun, or was taken away meanwhile.",
    remedy: "Begin with the present password: the answer has a secret for the app.",
  },
  admin_factor_own: {
    title: "Own second factor takes password and code",
    blame: "peer",
    retryable: false,
    status: 409,
    exit: 2,
    cause: "An owner takes the second factor of others away, and not that of the account that is signed in.",
    remedy:
      "Remove it under My account (`POST /api/admin/factor/remove`) with the present password and a code. Where the app is " +
      "lost, another owner can take it away; `postern admin reset --out FILE` makes a link for a new owner.",
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
  edge_unknown: {
    title: "Edge is not in service",
    blame: "peer",
    retryable: false,
    status: 404,
    exit: 2,
    cause: "No edge with this id shares the database, or it was not heard for thirty seconds.",
    remedy: "`GET /api/admin/overview` names the edges that are there.",
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
  admin_oidc_state_mismatch: {
    title: "Login was not begun in this browser",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "The OpenID provider sent a browser back that has not begun to sign in here, or has begun more than ten minutes ago, or " +
      "in several tabs at once.",
    remedy: "Sign in again, in one tab. If you were sent there by a link, do not use it.",
  },
  admin_oidc_refused: {
    title: "OpenID provider has refused the login",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "The provider did not sign the person in, or gives no token for the code that it sent.",
    remedy: "Try again. If it repeats, compare client id, client secret and the redirect URI " +
      "`/api/admin/oidc/callback` at the provider.",
  },
  admin_oidc_unavailable: {
    title: "OpenID provider cannot be asked",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause:
      "The provider did not answer within five seconds, or what it says of itself is not what `admin_oidc.issuer` names.",
    remedy:
      "Check `admin_oidc.issuer`, which has to be exactly the issuer of its configuration, and `admin_oidc.ca_file`. Accounts " +
      "with a password can sign in meanwhile.",
  },
  admin_oidc_token_invalid: {
    title: "ID token does not hold",
    blame: "operator",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "Signature, issuer, audience, nonce or times of the provider's ID token are not as they have to be.",
    remedy:
      "Check the clocks and `admin_oidc.client_id`. If they are right, treat it as an attempt to get in.",
  },
  admin_oidc_role_missing: {
    title: "None of the groups administers",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "The provider knows the person, but no group of theirs is among `admin_oidc.owner_groups`, `operator_groups` and " +
      "`viewer_groups`, or the ID token has no such claim.",
    remedy: "Put the person into a group, or name the claim that lists groups: `admin_oidc.groups_claim`.",
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
