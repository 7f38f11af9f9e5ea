/**
 * What control and edge remember: behind one port, so that a single process keeps it in SQLite and several share a
 * database. Times are wall-clock Unix milliseconds. Every method is atomic. All throw `store_busy` (try again) or
 * `store_failed`.
 */
import type { AdminStore } from "./admin_store.ts";
import type { AnnouncementStore } from "./announcement_store.ts";
import type { AttestationStore } from "./attestation_store.ts";
import type { AuditStore } from "./audit_store.ts";
import type { ChallengeStore } from "./challenge_store.ts";
import type { EdgeStore } from "./edge_store.ts";
import type { GrantStore } from "./grant_store.ts";
import type { IdentityStore } from "./identity_store.ts";
import type { MachineStore } from "./machine_store.ts";
import type { NodeAccessStore } from "./node_access_store.ts";
import type { NodePresenceStore } from "./node_presence_store.ts";
import type { PolicyStore } from "./policy_store.ts";
import type { Revised } from "./revised.ts";
import type { RouteStore } from "./route_store.ts";
import type { RevocationStore, SingleUseStore, TokenFamilyStore } from "./token_store.ts";
import type { AgentStore, TunnelStore } from "./tunnel_store.ts";

export interface KeysetStore {
  /** JSON of the signing keys. Secret. */
  loadKeyset(): Promise<Revised<string> | undefined>;
  /** Writes when nobody wrote since `revision` (0: there was none); false otherwise: load again. */
  saveKeyset(value: string, revision: number): Promise<boolean>;
}

export interface SettingStore {
  setting(key: string): Promise<string | undefined>;
  putSetting(key: string, value: string): Promise<void>;
}

export interface Store
  extends
    TunnelStore,
    AgentStore,
    SingleUseStore,
    RevocationStore,
    TokenFamilyStore,
    RouteStore,
    ChallengeStore,
    MachineStore,
    PolicyStore,
    AttestationStore,
    IdentityStore,
    KeysetStore,
    SettingStore,
    AuditStore,
    NodePresenceStore,
    NodeAccessStore,
    EdgeStore,
    AdminStore,
    GrantStore,
    AnnouncementStore {
  /** Writes a little, durably; throws when the store cannot, e.g. because the disk is full. For readiness. */
  probe(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}
