/**
 * What the main thread and a worker call on each other. The main thread has control, store, tokens and the list of all
 * sessions; a worker has listeners, channels and viewers.
 */
import type { CarrierPlace } from "../channel/mod.ts";
import type { EdgeConfig } from "../config/mod.ts";
import type { X25519KeyPair } from "../crypto/mod.ts";
import type { CertificateFiles } from "../driver/tls/mod.ts";
import type { AttestationDesk, EdgeStatus, KnownRoute, Registration, ServicePorts } from "../edge/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { Stage0Claims, Stage1Claims } from "../identity/mod.ts";
import type { Revised } from "../ports/mod.ts";
import type { PlainAttach } from "./relay_forward.ts";
import type { MetricObject, TrafficTotals } from "../telemetry/mod.ts";

export interface WorkerSetup {
  /** From 0; the first one has the ports of udp services. */
  readonly index: number;
  /** With this worker's part of all limits, and the port that all of them share. */
  readonly config: EdgeConfig;
  readonly edgeId: string;
  readonly edgeStatic: X25519KeyPair;
  readonly certificateFiles: CertificateFiles | undefined;
}

/** A session, as all threads know it. */
export interface SessionFacts {
  readonly id: string;
  readonly claims: Stage1Claims;
  readonly since: number;
  readonly remoteAddress: string;
  readonly carrier: CarrierPlace | undefined;
}

export interface PlainRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: [string, string][];
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

export interface PlainResponse {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Uint8Array<ArrayBuffer>;
}

/** What the main thread calls. */
export interface WorkerFunctions {
  /** Listens when it is answered. @throws PosternError `listen_failed`, and certificate codes */
  start(setup: WorkerSetup): Promise<void>;
  /** @throws PosternError `tcp_port_unavailable`, `udp_port_unavailable` */
  openPorts(ports: ServicePorts): void;
  closePorts(ports: ServicePorts): void;
  /** About a session of this worker. */
  closeSession(id: string, code: ErrorCode): void;
  drainSession(id: string, deadlineMs: number): void;
  cutTunnel(tunnelId: string, code: "tunnel_deleted" | "token_revoked"): void;
  cutAgent(agentId: string): void;
  cutWeaker(tunnelId: string): void;
  cutFailed(tunnelId: string, agentId: string): void;
  holdRules(tunnelId: string, rules: Revised<string>): void;
  /** Hands a grant to the agent of a session of this worker. @throws as `EdgePlane.offerPrivate` */
  offerPrivate(sessionId: string, grant: ChannelInitGrant): Promise<string>;
  /** The way to another worker, and its end. */
  join(index: number, port: MessagePort, initiator: boolean): void;
  part(index: number): void;
  /** About sessions of other workers. */
  linkSession(index: number, facts: SessionFacts, rules: Revised<string> | undefined): void;
  linkedOnline(id: string, lastEchoAt: number): void;
  unlinkSession(id: string): void;
  status(): EdgeStatus;
  traffic(): TrafficTotals;
  metrics(): Promise<MetricObject[]>;
  reload(): Promise<void>;
  /** The parts of the end. */
  stopAccepting(): Promise<void>;
  settle(): Promise<void>;
  finish(): Promise<void>;
}

/** What a worker calls. */
export interface MainFunctions {
  /** The agent counts until its ticket is given back by `leave`. @throws as `AgentRegistry.admit` */
  admit(token: string, place: string): Promise<{ readonly claims: Stage0Claims; readonly ticket: number }>;
  leave(ticket: number): void;
  verifyStage1(token: string): Promise<Stage1Claims>;
  /** @throws as `AgentRegistry.register` */
  register(facts: SessionFacts, registration: Registration): Promise<Revised<string> | undefined>;
  sessionOnline(id: string, lastEchoAt: number): void;
  sessionRetired(id: string): void;
  sessionGone(id: string): void;
  /** Times of the last echoes, now and then. */
  echoes(times: readonly (readonly [id: string, lastEchoAt: number])[]): void;
  /** As the methods of `AttestationDesk`. */
  holdAttestation: AttestationDesk["hold"];
  stepAttestation: AttestationDesk["step"];
  deferAttestation: AttestationDesk["defer"];
  endDeferral: AttestationDesk["endDeferral"];
  deferralSpent: AttestationDesk["deferralSpent"];
  attestationLost: AttestationDesk["lost"];
  isAuthorizerHealthy: AttestationDesk["isHealthy"];
  knownRoute(hostname: string): Promise<KnownRoute | undefined>;
  /** Takes a connection that attaches to a private channel. */
  relay(attach: PlainAttach, port: MessagePort): void;
  control(request: PlainRequest, clientIp: string): Promise<PlainResponse>;
}
