/** Interfaces between the cores and the world. */
export type {
  AdminAccount,
  AdminAccountChange,
  AdminInvite,
  AdminRole,
  AdminSession,
  AdminStore,
  AdminTotp,
  Delivery,
} from "./admin_store.ts";
export type { Announcement, AnnouncementStore } from "./announcement_store.ts";
export type {
  AttestationHold,
  AttestationOpening,
  AttestationRecord,
  AttestationState,
  AttestationStep,
  AttestationStore,
  Deferral,
} from "./attestation_store.ts";
export type { AuditCheckpoint, AuditEntry, AuditLine, AuditStore } from "./audit_store.ts";
export type { ByteStream, FramingResult, MessageFraming } from "./carrier.ts";
export type { ChallengeRecord, ChallengeStore } from "./challenge_store.ts";
export type { Clock } from "./clock.ts";
export type { KeyHandle, SealingCore } from "./core.ts";
export type { EdgeRecord, EdgeStore, ServedTunnel } from "./edge_store.ts";
export type { GrantStore, PendingPair, PendingTokens } from "./grant_store.ts";
export type {
  IdentityQuery,
  IdentityRecord,
  IdentityStore,
  NodeCertificate,
  NodeEnrolled,
  RevokedIdentityRecord,
} from "./identity_store.ts";
export type { Log, LogFields, LogLevel } from "./log.ts";
export type {
  EnrollmentToken,
  MachineEnrolled,
  MachineEnrollment,
  MachineKey,
  MachineRecord,
  MachineRevocation,
  MachineStore,
  OpenEnrollment,
} from "./machine_store.ts";
export type { LabelledNode, NodeAccessRecord, NodeAccessStore, NodeRule } from "./node_access_store.ts";
export type { NodePresence, NodePresenceStore, PresentRole } from "./node_presence_store.ts";
export type { PolicyRecord, PolicyStore } from "./policy_store.ts";
export type { Random } from "./random.ts";
export type { Revised } from "./revised.ts";
export type { RouteClaim, RouteStore } from "./route_store.ts";
export type { KeysetStore, SettingStore, Store } from "./store.ts";
export type {
  Revocation,
  RevocationQuery,
  RevocationStore,
  RevokedThing,
  SingleUseStore,
  TokenFamily,
  TokenFamilyStore,
} from "./token_store.ts";
export type {
  AgentBinding,
  AgentStore,
  TunnelClaim,
  TunnelClaimed,
  TunnelRecord,
  TunnelStore,
} from "./tunnel_store.ts";
