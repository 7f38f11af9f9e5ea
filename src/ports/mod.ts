/** Interfaces between the cores and the world. */
export type {
  AdminAccount,
  AdminAccountChange,
  AdminInvite,
  AdminRole,
  AdminSession,
  AdminStore,
  Delivery,
} from "./admin_store.ts";
export type {
  AttestationHold,
  AttestationOpening,
  AttestationRecord,
  AttestationState,
  AttestationStep,
  AttestationStore,
  Deferral,
} from "./attestation_store.ts";
export type { ByteStream, FramingResult, MessageFraming } from "./carrier.ts";
export type { Clock } from "./clock.ts";
export type { KeyHandle, SealingCore } from "./core.ts";
export type { EdgeRecord, EdgeStore, ServedTunnel } from "./edge_store.ts";
export type { Log, LogFields, LogLevel } from "./log.ts";
export type { NodePresence, NodePresenceStore, PresentRole } from "./node_presence_store.ts";
export type {
  IdentityQuery,
  IdentityRecord,
  IdentityStore,
  NodeCertificate,
  NodeEnrolled,
  RevokedIdentityRecord,
} from "./identity_store.ts";
export type { Random } from "./random.ts";
export type {
  AgentBinding,
  AgentStore,
  Announcement,
  AnnouncementStore,
  AuditCheckpoint,
  AuditEntry,
  AuditLine,
  AuditStore,
  ChallengeRecord,
  ChallengeStore,
  EnrolmentToken,
  KeysetStore,
  MachineEnrolled,
  MachineEnrolment,
  MachineKey,
  MachineRecord,
  MachineRevocation,
  MachineStore,
  OpenEnrolment,
  PolicyRecord,
  PolicyStore,
  Revised,
  Revocation,
  RevocationQuery,
  RevocationStore,
  RouteClaim,
  RouteStore,
  SettingStore,
  SingleUseStore,
  Store,
  TokenFamily,
  TokenFamilyStore,
  TunnelClaim,
  TunnelClaimed,
  TunnelRecord,
  TunnelStore,
} from "./store.ts";
