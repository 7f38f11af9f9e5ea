/** Requests to control: bounded in time and size, never redirected, tokens in headers and bodies only. */
import type { z } from "zod";
import { utf8Decode } from "../src/bytes/mod.ts";
import {
  badAuthorities,
  holdsCertificates,
  type Network,
  openStream,
  type ProxyChooser,
  systemRandom,
} from "../src/driver/mod.ts";
import { codeOf, type ErrorCode, isErrorCode, PosternError } from "../src/errors/mod.ts";
import type { SignedDocument } from "../src/pki/mod.ts";
import type { Clock, Random } from "../src/ports/mod.ts";
import { ControlAddresses } from "./control_addresses.ts";
import { ControlConnections, type ControlMethod, type ControlResponse } from "./control_connection.ts";
import {
  type AuditAnswer,
  auditAnswer,
  type ChallengeAnswer,
  challengeAnswer,
  type ChallengeRequest,
  type CreateAnswer,
  createAnswer,
  type CreateRequest,
  deleteAnswer,
  type DeleteRequest,
  type EvidenceAnswer,
  evidenceAnswer,
  type EvidenceRequest,
  type IssueTokenRequest,
  problem,
  type RevokeAnswer,
  revokeAnswer,
  type RevokeTokenRequest,
  type TokenAnswer,
  tokenAnswer,
} from "./control_messages.ts";
import {
  type AuthoritiesAnswer,
  authoritiesAnswer,
  type IdentityRevoked,
  identityRevoked,
  type RevokeIdentityRequest,
} from "./authority_messages.ts";
import {
  type IdentityAnswer,
  identityAnswer,
  type IdentityRenewRequest,
  nonceAnswer,
  revocationsAnswer,
  trustBundlesAnswer,
} from "./identity_messages.ts";
import {
  type EnrollBeginAnswer,
  enrollBeginAnswer,
  type EnrollBeginRequest,
  type EnrollFinishAnswer,
  enrollFinishAnswer,
  type EnrollFinishRequest,
  type EnrollmentLinkAnswer,
  enrollmentLinkAnswer,
  type EnrollmentTokenAnswer,
  enrollmentTokenAnswer,
  type EnrollmentTokenRequest,
  type MachineAnswer,
  machineAnswer,
  machineDeleted,
  type MachineName,
  machineRestored,
  type MachineRevoked,
  machineRevoked,
  type MachinesAnswer,
  machinesAnswer,
} from "./machine_messages.ts";
import {
  type ApplyPolicyAnswer,
  applyPolicyAnswer,
  type ApplyPolicyRequest,
  type LearnPolicyAnswer,
  learnPolicyAnswer,
  type LearnPolicyRequest,
  type PoliciesAnswer,
  policiesAnswer,
  type PolicyAnswer,
  policyAnswer,
} from "./policy_messages.ts";

/** Time for one request, answer included. */
export const CONTROL_TIMEOUT_MS = 10_000;
/** Longest answer. */
export const MAX_ANSWER_BYTES = 262_144;

export interface ControlClientOptions {
  /** Base URL, to which paths are appended; or several of edges that share a database, at least one, the first preferred. */
  readonly url: string | readonly string[];
  readonly clock: Clock;
  /** The system's own unless given. */
  readonly random?: Random;
  /** Another of several addresses is asked from now on; not called for the first. */
  readonly onMoved?: (url: string) => void;
  /** PEM, trusted besides the machine's own authorities. */
  readonly caCerts?: readonly string[];
  /** Always straight unless given. */
  readonly proxyFor?: ProxyChooser;
  /** Deno's own unless given. */
  readonly network?: Network;
  /** The management token, if there is one. Asked for each request, so that a renewed file is seen. */
  readonly token?: () => Promise<string | undefined>;
  readonly userAgent?: string;
}

/** One of control's addresses. */
interface Place {
  readonly url: string;
  readonly base: URL;
  readonly connections: ControlConnections;
}

export class ControlClient {
  readonly #options: ControlClientOptions;
  readonly #places: readonly Place[];
  readonly #addresses: ControlAddresses<Place>;

  /** Throws `ca_certificates_invalid`. */
  constructor(options: ControlClientOptions) {
    this.#options = options;
    const urls = typeof options.url === "string" ? [options.url] : options.url;
    this.#places = urls.map((url) => {
      const base = new URL(url.endsWith("/") ? url : `${url}/`);
      return { url, base, connections: connectionsOf(base, options) };
    });
    this.#addresses = new ControlAddresses(this.#places, {
      clock: options.clock,
      random: options.random ?? systemRandom,
      onMoved: () => options.onMoved?.(this.url),
    });
  }

  /** The address that is asked now. */
  get url(): string {
    return this.#addresses.current.url;
  }

  /** Whether requests carry a management token. */
  get hasToken(): boolean {
    return this.#options.token !== undefined;
  }

  /**
   * Creates the tunnel, or takes it up again; `alone` without the management token, by the recreate token of the request.
   * Throws what every method throws: the codes of control and of {@link failure}.
   */
  create(request: CreateRequest, signal: AbortSignal, alone = false): Promise<CreateAnswer> {
    return this.#post("tunnels/create", request, createAnswer, signal, !alone);
  }

  async delete(request: DeleteRequest, signal: AbortSignal): Promise<void> {
    await this.#post("tunnels/delete", request, deleteAnswer, signal, true);
  }

  challenge(request: ChallengeRequest, signal: AbortSignal): Promise<ChallengeAnswer> {
    return this.#post("attest/challenge", request, challengeAnswer, signal, false);
  }

  evidence(request: EvidenceRequest, signal: AbortSignal): Promise<EvidenceAnswer> {
    return this.#post("attest/evidence", request, evidenceAnswer, signal, false);
  }

  /** Another management token out of the one that there is. */
  refreshToken(signal: AbortSignal): Promise<TokenAnswer> {
    return this.#post("auth/token", {}, tokenAnswer, signal, true);
  }

  issueToken(request: IssueTokenRequest, signal: AbortSignal): Promise<TokenAnswer> {
    return this.#post("auth/token/issue", request, tokenAnswer, signal, true);
  }

  revokeTokens(request: RevokeTokenRequest, signal: AbortSignal): Promise<RevokeAnswer> {
    return this.#post("auth/token/revoke", request, revokeAnswer, signal, true);
  }

  /** A page of the audit log, oldest first; for operators. */
  auditLines(afterId: number, signal: AbortSignal): Promise<AuditAnswer> {
    return this.#ask("GET", `v1/audit?after=${afterId}`, undefined, auditAnswer, signal, true);
  }

  /** A token that lets one machine enrol; for operators. */
  issueEnrollmentToken(request: EnrollmentTokenRequest, signal: AbortSignal): Promise<EnrollmentTokenAnswer> {
    return this.#post("v1/enroll/tokens", request, enrollmentTokenAnswer, signal, true);
  }

  /** As {@link issueEnrollmentToken}, with a link that shows the token once. */
  linkEnrollmentToken(request: EnrollmentTokenRequest, signal: AbortSignal): Promise<EnrollmentLinkAnswer> {
    return this.#post(
      "api/admin/tokens",
      { ...request, delivery: "link" },
      enrollmentLinkAnswer,
      signal,
      true,
    );
  }

  beginEnrollment(request: EnrollBeginRequest, signal: AbortSignal): Promise<EnrollBeginAnswer> {
    return this.#post("v1/enroll/begin", request, enrollBeginAnswer, signal, false);
  }

  finishEnrollment(request: EnrollFinishRequest, signal: AbortSignal): Promise<EnrollFinishAnswer> {
    return this.#post("v1/enroll/finish", request, enrollFinishAnswer, signal, false);
  }

  /** This node's first certificate, for a one-time token. */
  enrollIdentity(token: string, csr: string, signal: AbortSignal): Promise<IdentityAnswer> {
    return this.#post("v1/identity/enroll", { token, csr }, identityAnswer, signal, false);
  }

  async renewalNonce(signal: AbortSignal): Promise<string> {
    return (await this.#post("v1/identity/nonce", {}, nonceAnswer, signal, false)).nonce;
  }

  renewIdentity(request: IdentityRenewRequest, signal: AbortSignal): Promise<IdentityAnswer> {
    return this.#post("v1/identity/renew", request, identityAnswer, signal, false);
  }

  /** Trust bundles after the one that is held, oldest first. */
  async trustBundles(after: number, signal: AbortSignal): Promise<readonly SignedDocument[]> {
    const path = `v1/trust-bundle?after=${after}`;
    return (await this.#ask("GET", path, undefined, trustBundlesAnswer, signal, false)).trust_bundles;
  }

  nodeRevocations(signal: AbortSignal): Promise<SignedDocument> {
    return this.#ask("GET", "v1/revocations", undefined, revocationsAnswer, signal, false);
  }

  /** The authorities of nodes; for operators, like the two below. */
  authorities(signal: AbortSignal): Promise<AuthoritiesAnswer> {
    return this.#ask("GET", "api/admin/ca", undefined, authoritiesAnswer, signal, true);
  }

  rotateAuthorities(what: "issuing" | "root", signal: AbortSignal): Promise<AuthoritiesAnswer> {
    return this.#post("api/admin/ca/rotate", { what }, authoritiesAnswer, signal, true);
  }

  revokeIdentity(request: RevokeIdentityRequest, signal: AbortSignal): Promise<IdentityRevoked> {
    return this.#post("v1/revocations", request, identityRevoked, signal, true);
  }

  /** A page of machines in the order of their agent ids; for operators, like the four below. */
  machines(after: string | undefined, signal: AbortSignal): Promise<MachinesAnswer> {
    const query = after === undefined ? "" : `&after=${encodeURIComponent(after)}`;
    return this.#ask("GET", `v1/machines?limit=200${query}`, undefined, machinesAnswer, signal, true);
  }

  machine(agentId: string, signal: AbortSignal): Promise<MachineAnswer> {
    const path = `v1/machines/${encodeURIComponent(agentId)}`;
    return this.#ask("GET", path, undefined, machineAnswer, signal, true);
  }

  revokeMachine(which: MachineName, reason: string, signal: AbortSignal): Promise<MachineRevoked> {
    return this.#post("v1/machines/revoke", { ...which, reason }, machineRevoked, signal, true);
  }

  async restoreMachine(which: MachineName, signal: AbortSignal): Promise<string> {
    return (await this.#post("v1/machines/restore", which, machineRestored, signal, true)).agent_id;
  }

  async deleteMachine(agentId: string, signal: AbortSignal): Promise<void> {
    await this.#post("v1/machines/delete", { agent_id: agentId }, machineDeleted, signal, true);
  }

  /** All PCR policies; for operators, like the three below. */
  policies(signal: AbortSignal): Promise<PoliciesAnswer> {
    return this.#ask("GET", "v1/policies", undefined, policiesAnswer, signal, true);
  }

  policy(name: string, version: number | undefined, signal: AbortSignal): Promise<PolicyAnswer> {
    const query = version === undefined ? "" : `?version=${version}`;
    const path = `v1/policies/${encodeURIComponent(name)}${query}`;
    return this.#ask("GET", path, undefined, policyAnswer, signal, true);
  }

  applyPolicy(request: ApplyPolicyRequest, signal: AbortSignal): Promise<ApplyPolicyAnswer> {
    return this.#post("v1/policies", request, applyPolicyAnswer, signal, true);
  }

  learnPolicy(request: LearnPolicyRequest, signal: AbortSignal): Promise<LearnPolicyAnswer> {
    return this.#post("v1/policies/learn", request, learnPolicyAnswer, signal, true);
  }

  /** Ends idle connections. Idempotent. */
  close(): void {
    for (const { connections } of this.#places) connections.close();
  }

  #post<T>(
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    withToken: boolean,
  ): Promise<T> {
    return this.#ask("POST", path, JSON.stringify(body), schema, signal, withToken);
  }

  /** Throws what control refuses with, and the codes of {@link failure}. */
  async #ask<T>(
    method: ControlMethod,
    path: string,
    body: string | undefined,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    withToken: boolean,
  ): Promise<T> {
    const secret = withToken ? await this.#options.token?.() : undefined;
    return await this.#addresses.ask((place) =>
      this.#askAt(place, method, path, body, schema, signal, secret)
    );
  }

  async #askAt<T>(
    { base, connections }: Place,
    method: ControlMethod,
    path: string,
    body: string | undefined,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    secret: string | undefined,
  ): Promise<T> {
    const { clock, userAgent } = this.#options;
    const stop = new AbortController();
    let isLate = false;
    const cancel = clock.schedule(clock.now() + CONTROL_TIMEOUT_MS, () => {
      isLate = true;
      stop.abort();
    });
    const onAbort = () => stop.abort();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) stop.abort();
    try {
      const { pathname, search } = new URL(path, base);
      const response = await connections.ask(
        method,
        pathname + search,
        {
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          Accept: "application/json, application/problem+json",
          ...(userAgent === undefined ? {} : { "User-Agent": userAgent }),
          ...(secret === undefined ? {} : { Authorization: `Bearer ${secret}` }),
        },
        body,
        stop.signal,
      );
      const text = textOf(response.body);
      if (response.status >= 200 && response.status <= 299) return parse(schema, text, path);
      throw refusalOf(response, text, path, clock);
    } catch (error) {
      if (signal.aborted) throw failure("connect_aborted", path, "the attempt was given up", error);
      if (isLate) throw failure("control_timeout", path, `no answer within ${CONTROL_TIMEOUT_MS} ms`, error);
      throw explained(base, error);
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function connectionsOf(base: URL, options: ControlClientOptions): ControlConnections {
  const { caCerts, clock, network, proxyFor } = options;
  if (caCerts?.some((pem) => !holdsCertificates(pem))) throw badAuthorities();
  const tls = base.protocol === "https:";
  const host = base.hostname.replace(/^\[|\]$/g, "");
  const port = base.port === "" ? (tls ? 443 : 80) : Number(base.port);
  return new ControlConnections({
    authority: base.host,
    clock,
    maxBodyBytes: MAX_ANSWER_BYTES,
    open: (signal) => openStream({ tls, host, port }, { clock, caCerts, network, proxyFor, signal }),
  });
}

function textOf(body: Uint8Array): string {
  try {
    return utf8Decode(body);
  } catch {
    return "";
  }
}

function parse<T>(schema: z.ZodType<T>, text: string, path: string): T {
  const result = schema.safeParse(jsonOf(text));
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join(".") || "its body";
  throw failure(
    "control_response_invalid",
    path,
    `${where.slice(0, 80)} does not fit; is this URL control's?`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The error that control named; without a known code the status decides whether to try again. */
function refusalOf(response: ControlResponse, text: string, path: string, clock: Clock): PosternError {
  const { status } = response;
  const retryAfterMs = retryAfterOf(response.header("retry-after"), clock.wall());
  const detail = { status, ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }) };
  if (status >= 300 && status < 400) {
    return new PosternError("control_redirected", `Cannot ask control for /${path}: it redirects`, {
      detail,
    });
  }
  const told = problem.safeParse(jsonOf(text));
  const code = told.success ? told.data.code : undefined;
  const says = told.success ? told.data.detail ?? told.data.title : undefined;
  const known: ErrorCode = code !== undefined && isErrorCode(code)
    ? code
    : status >= 500 || status === 429 || status === 408
    ? "control_unavailable"
    : "control_refused";
  return new PosternError(known, says ?? `Cannot ask control for /${path}: status ${status}`, {
    detail: code === undefined || known === code ? detail : { ...detail, code },
  });
}

/** Seconds or a date (RFC 9110 10.2.3); at most an hour is honoured. */
function retryAfterOf(value: string | undefined, wallMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^[0-9]{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - wallMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), 3_600_000);
}

/** `control_timeout`, `control_response_invalid`, `connect_aborted`. */
function failure(code: ErrorCode, path: string, state: string, cause?: unknown): PosternError {
  return new PosternError(code, `Cannot ask control for /${path}: ${state}`, { cause });
}

/** Failures of the own machine, of the proxy and of control's words stay what they are; all others mean: unreachable. */
function explained(base: URL, error: unknown): PosternError {
  const code = codeOf(error);
  if (code === "http_bad_response" || code === "http_truncated_body") {
    return new PosternError("control_response_invalid", `Cannot use the answer of ${base.origin}`, {
      cause: error,
    });
  }
  const isWay = !(error instanceof PosternError) || WAY_ERRORS.has(code);
  return isWay ? unreachable(base, error) : error;
}

/** What is wrong on the way to control: no connection, or none that is trusted. */
const WAY_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "dns_failed",
  "connect_refused",
  "connect_timeout",
  "connect_failed",
  "tls_timeout",
  "tls_handshake_failed",
  "certificate_invalid",
  "connection_reset",
  "connection_lost",
  "connection_closed",
]);

function unreachable(base: URL, cause: unknown): PosternError {
  const reason = reasonOf(cause);
  const hint = reason.includes("UnknownIssuer") ? "; a CA file (--ca-file) may name who issued it" : "";
  return new PosternError("control_unreachable", `Cannot reach control at ${base.origin}: ${reason}${hint}`, {
    cause,
  });
}

/** The state in the message; who was meant stands before it already. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const target = error instanceof PosternError ? `${error.detail.target}: ` : "";
  const at = target === "" ? -1 : error.message.indexOf(target);
  const state = at < 0 ? error.message : error.message.slice(at + target.length);
  return (codeOf(error) === "certificate_invalid" ? `invalid certificate: ${state}` : state).slice(0, 300);
}
