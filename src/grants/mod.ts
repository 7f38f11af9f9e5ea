/** Grants of private channels: their form, their pairs, and the single use of their tokens. */
export { consumeAttachToken } from "./consume.ts";
export {
  channelIdSchema,
  type ChannelInitGrant,
  formatGrant,
  type GrantExpectation,
  type GrantRole,
  grantRoles,
  maxGrantChars,
  maxIdleTimeoutSeconds,
  maxInitWindowSeconds,
  parseGrant,
  pskOf,
  readGrant,
} from "./grant.ts";
export {
  composeGrantPair,
  type EndpointFacts,
  type GrantPair,
  newChannelId,
  type PairRequest,
} from "./pair.ts";
export { chooseGrantSuite, defaultGrantSuite, type GrantSuite, grantSuites } from "./suite.ts";
