/** The mutual-TLS port of control: who is online, who may come to whom, and newer trust for everybody, within a moment. */
import { der } from "../bytes/mod.ts";
import { type NodeCredentials, NodeIdentity } from "../driver/tls/mod.ts";
import { codeOf } from "../errors/mod.ts";
import {
  type HostedNode,
  HostedNodes,
  type HostMessage,
  type NodeTimes,
  startRenewalLoop,
} from "../nodes/mod.ts";
import { readNodeCertificate, type SignedDocument } from "../pki/mod.ts";
import { P256, spkiOfKey } from "../x509/mod.ts";
import { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { HeardNodes } from "./heard_nodes.ts";
import { renewOnChannel } from "./node_identity.ts";
import { NodeAccessBook } from "./node_access.ts";
import { RefusalAudit } from "./refusal_audit.ts";
import type { Clock } from "../ports/mod.ts";

/** What others wrote into the database is looked at so often, besides being announced. */
const refreshEveryMs = 15_000;
/** Refusals become lines of the audit so often. */
const auditEveryMs = 10_000;
/** Of control's own certificate. */
const ownLifeMs = 24 * 3_600_000;

export interface NodeDeskOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Name of this control in its own certificate. */
  readonly controlId: string;
  readonly deps: ControlDeps & { readonly clock: Clock };
  readonly maxNodes: number;
  readonly times?: NodeTimes;
  readonly onHandshake?: (result: string) => void;
  readonly onHeartbeat?: (role: "connector" | "tunneler") => void;
  readonly onRenewal?: (result: string) => void;
}

export class NodeDesk {
  readonly #options: NodeDeskOptions;
  readonly #identity: NodeIdentity;
  readonly #nodes: HostedNodes;
  readonly #heard: HeardNodes;
  readonly #access: NodeAccessBook;
  readonly #refusals: RefusalAudit;
  readonly #cancel: (() => void)[] = [];
  #isOver = false;
  /** What was sent to all last. */
  #sent = "";
  #trust: { readonly revocations: SignedDocument };
  #checking: Promise<void> = Promise.resolve();

  private constructor(
    options: NodeDeskOptions,
    identity: NodeIdentity,
    revocations: SignedDocument,
    access: NodeAccessBook,
  ) {
    this.#options = options;
    this.#identity = identity;
    this.#trust = { revocations };
    const { deps, listen, maxNodes, times, onHandshake, onHeartbeat, onRenewal } = options;
    this.#access = access;
    const refusals = this.#refusals = new RefusalAudit(deps);
    const budget = new AuditBudget(deps.clock.now.bind(deps.clock));
    this.#heard = new HeardNodes(deps);
    this.#nodes = new HostedNodes({
      listen,
      identity,
      expected: { expectedRole: ["connector", "tunneler"] },
      clock: deps.clock,
      random: deps.random,
      log: deps.log,
      maxNodes,
      ...(times === undefined ? {} : { times }),
      onHandshake: (result) => onHandshake?.(result),
      onRefused: (code, address, node) => refusals.refused(code, address, node),
      onRefusals: ({ peer }, told) => {
        // Nobody comes to a tunneler.
        if (peer.role === "connector") refusals.told(peer, told);
      },
      tunnelersOf: ({ role, id }) => role === "connector" ? access.tunnelersOf(id) : [],
      onEstablished: (node) => {
        node.send(this.#trustFor(node));
        void this.#confirmKey(node);
      },
      onRenewed: (node) => void this.#confirmKey(node),
      onHeartbeat: (node) => {
        if (node.bundleVersion < identity.trust.bundle.version) node.send(this.#trustFor(node));
      },
      onEcho: (node, { version, privateIp }) => {
        const { role, id } = node.peer;
        // A tunneler is online when it is so through a connector, which is what users come by.
        if (role !== "connector") return;
        onHeartbeat?.("connector");
        this.#heard.hear({ role, id, version, ...(privateIp === undefined ? {} : { privateIp }) });
      },
      onTunnelerEcho: (node, { id, version, private_ip: privateIp }) => {
        if (node.peer.role !== "connector" || !access.allows(node.peer.id, id)) return;
        onHeartbeat?.("tunneler");
        this.#heard.hear({
          role: "tunneler",
          id,
          version,
          connectorId: node.peer.id,
          ...(privateIp === undefined ? {} : { privateIp }),
        });
      },
      renew: (peer, csr) => renewOnChannel({ ...deps, budget }, peer, csr),
      ...(onRenewal === undefined ? {} : { onRenewal }),
    });
    this.#refreshLater();
    this.#auditLater();
    this.#renew();
  }

  /** Listens when it resolves. Throws `ca_unavailable`, `listen_failed`. */
  static async open(options: NodeDeskOptions): Promise<NodeDesk> {
    const { deps, controlId } = options;
    const credentials = await certifyItself(deps, controlId);
    const { list, document } = await deps.identities.revocations();
    const identity = new NodeIdentity(credentials, { bundle: deps.identities.bundle, revocations: list });
    const access = new NodeAccessBook(deps.store);
    await access.refresh();
    return new NodeDesk(options, identity, document, access);
  }

  get port(): number {
    return this.#nodes.port;
  }

  get nodes(): readonly HostedNode[] {
    return this.#nodes.all;
  }

  /** Something about trust changed: whoever does not count any more is cut, and everybody is told. Never rejects. */
  changed(): Promise<void> {
    return this.#checking = this.#checking.then(() => this.#check(0));
  }

  async close(): Promise<void> {
    this.#isOver = true;
    for (const cancel of this.#cancel.splice(0)) cancel();
    await this.#checking;
    await this.#nodes.close();
    await this.#heard.close();
    this.#refusals.flush();
  }

  async #check(maxAgeMs: number): Promise<void> {
    const { deps } = this.#options;
    try {
      if (await this.#access.refresh()) this.#tellAccess();
      await deps.identities.refresh(maxAgeMs);
      await this.#followIssuer();
      const { list, document } = await deps.identities.revocations();
      const { bundle } = deps.identities;
      const now = `${bundle.version} ${list.version} ${list.issuedAtMs}`;
      if (this.#isOver || now === this.#sent) return;
      this.#sent = now;
      this.#trust = { revocations: document };
      // Everybody hears of it before those who are revoked are cut.
      for (const node of this.#nodes.all) node.send(this.#trustFor(node));
      this.#identity.replaceTrust({ bundle, revocations: list });
    } catch (error) {
      deps.log("warn", "node trust not read", { code: codeOf(error) });
    }
  }

  /** After a rotation its own certificate must not be of the issuing CA that is retired: nobody counts it in the store. */
  async #followIssuer(): Promise<void> {
    const { deps, controlId } = this.#options;
    const { issuer } = deps.identities;
    const [, own] = this.#identity.credentials.chain;
    if (issuer === undefined || readNodeCertificate(own).sha256 === issuer.sha256) return;
    this.#identity.replaceCredentials(await certifyItself(deps, controlId));
    deps.log("info", "control's own certificate is of the new issuing CA", { issuer_sha256: issuer.sha256 });
  }

  /** Its newest key is in use: nobody renews by the one before it any more. Never rejects: the next renewal does the same. */
  async #confirmKey({ peer: { role, id, keySha256 } }: HostedNode): Promise<void> {
    const { store, log } = this.#options.deps;
    try {
      await store.confirmNodeKey(role, id, keySha256);
    } catch (error) {
      log("warn", "key of node not confirmed", { node: `${role}/${id}`, code: codeOf(error) });
    }
  }

  #trustFor(node: HostedNode): HostMessage {
    const { deps } = this.#options;
    const newer = deps.identities.bundle.version > node.bundleVersion
      ? deps.identities.bundlesAfter(node.bundleVersion)
      : [];
    return {
      type: "trust",
      trust_bundles: newer.map(writable),
      revocations: writable(this.#trust.revocations),
    };
  }

  /** Each connector cuts by it whoever may not come any more. */
  #tellAccess(): void {
    for (const node of this.#nodes.all) {
      const { role, id } = node.peer;
      if (role === "connector") node.send({ type: "access", tunnelers: [...this.#access.tunnelersOf(id)] });
    }
  }

  #auditLater(): void {
    this.#schedule(auditEveryMs, () => {
      this.#refusals.flush();
      this.#auditLater();
    });
  }

  #refreshLater(): void {
    this.#schedule(refreshEveryMs, () => {
      this.#checking = this.#checking.then(() => this.#check(refreshEveryMs));
      this.#refreshLater();
    });
  }

  #renew(): void {
    const { deps, controlId } = this.#options;
    const { clock, random, log } = deps;
    this.#cancel.push(startRenewalLoop({
      identity: this.#identity,
      clock,
      random,
      renew: async () => this.#identity.replaceCredentials(await certifyItself(deps, controlId)),
      onResult: (failure) => {
        if (failure !== undefined) {
          log("error", "control's own certificate not renewed", { code: failure.code });
        }
        return true;
      },
    }));
  }

  #schedule(afterMs: number, task: () => void): void {
    if (this.#isOver) return;
    const { clock } = this.#options.deps;
    const cancel = clock.schedule(clock.now() + afterMs, () => {
      this.#cancel.splice(this.#cancel.indexOf(cancel), 1);
      task();
    });
    this.#cancel.push(cancel);
  }
}

/** Its key is made anew each time, and is nowhere but in memory. */
async function certifyItself(
  { identities }: Pick<ControlDeps, "identities">,
  id: string,
): Promise<NodeCredentials> {
  const keys = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const { certificate, issuer } = await identities.issue(
    { role: "control", id },
    await spkiOfKey(keys.publicKey),
    ownLifeMs,
  );
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { chain: [certificate.bytes, issuer.bytes], privateKey: der.toPem("PRIVATE KEY", pkcs8) };
}

/** As it was signed; the types of messages are not read-only. */
function writable({ payload, signatures }: SignedDocument) {
  return { payload, signatures: signatures.map((one) => ({ ...one })) };
}
