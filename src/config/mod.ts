/** Configuration: settings with their defaults, the file, and how flags, environment and file are merged. Pure. */
export { type Address, formatAddress, isLoopbackHost, parseAddress, type PortRange } from "./address.ts";
export { type AgentConfig, agentSettings, type ServiceConfig, serviceSettings } from "./agent.ts";
export { type EdgeConfig, edgeSettings, issuerOf, trustDomainOf } from "./edge.ts";
export { type ConfigFile, maxConfigFileBytes, parseConfigFile, parseDocumentFile } from "./file.ts";
export { carrierUrlOf, controlUrlOf, publicUrlOf } from "./public_url.ts";
export { type Layers, type Origin, resolve, type Resolved, type Schema } from "./resolve.ts";
export type { ServiceProtocol } from "./protocol.ts";
export { ruleKeysOf, ruleSettings } from "./rules.ts";
export { agentDefaults, agentSchema, edgeDefaults, edgeSchema } from "./schema.ts";
export { bypassesProxy } from "./no_proxy.ts";
export {
  type FileAccess,
  maxSecretFileBytes,
  readSecretFile,
  type SecretFile,
  secretFileExposure,
} from "./secret_file.ts";
export { type Group, keyOfProperty, type NamedSetting, settingsOf } from "./setting.ts";
export { defaultStateDirectory } from "./state_directory.ts";
export { didYouMean, nearest } from "./suggest.ts";
export { parseTarget } from "./target.ts";
export { type EkKind, ekKinds, formatTpmAddress, parseTpmAddress, type TpmAddress } from "./tpm_address.ts";
export { formatDuration, formatRate, formatSize, parseDuration, parseSize, type Rate } from "./values.ts";
