/** Administrators: who they are, and what they see and do. */
export { qrModules, quietModules } from "./qr.ts";
export { firstInvite, type Invite, inviteAdmin } from "./accounts.ts";
export { addAdminRoutes, ADMIN_PAGE_PATHS, ADMIN_RATE_GROUPS, ADMIN_ROUTES } from "./app.ts";
export {
  adminAuthority,
  type Administrator,
  checkOrigin,
  csrfHeader,
  csrfTokenOf,
  type RequireAdmin,
} from "./authority.ts";
export { OidcProvider } from "./oidc.ts";
export { setupPath } from "./session_app.ts";
export {
  channelPage,
  nodePage,
  type NodeVersion,
  nodeVersions,
  type NodeView,
  type Overview,
  overviewOf,
  type Page,
  policyDiff,
  servicePage,
  type ServiceView,
} from "./views.ts";
