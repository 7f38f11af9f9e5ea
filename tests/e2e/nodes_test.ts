/** Control, connector and tunneler as the processes that users start. */
import assert from "node:assert/strict";
import { readIdentityFile } from "../../agent/identity/identity_file.ts";
import { identityFileIn, plainFiles } from "../../agent/identity/mod.ts";
import { readCertificate } from "../../src/attestation/ek/mod.ts";
import { pemOfChain, readNodeCertificate } from "../../src/pki/mod.ts";
import { der } from "../../src/bytes/mod.ts";
import { freePort } from "../support/ports.ts";
import { Process } from "../support/process.ts";
import { eventually, type Settings } from "../support/stack.ts";
import { flagsOf, startPostern } from "../support/stack_processes.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TempDir } from "../support/temp_dir.ts";

interface NodeRow {
  readonly id: string;
  readonly status: string;
}

class Nodes implements AsyncDisposable {
  readonly port = freePort();
  readonly edgeAdmin = freePort();
  readonly controlPort = freePort();
  readonly connectorPort = freePort();
  readonly admins = { connector: freePort(), tunneler: freePort() };
  readonly #started: Process[] = [];

  private constructor(readonly folder: TempDir) {}

  static async make(): Promise<Nodes> {
    return new Nodes(await TempDir.make("nodes"));
  }

  async edge(settings: Settings = {}): Promise<Process> {
    const process = this.#start(["edge"], {
      listen: `127.0.0.1:${this.port}`,
      admin_listen: `127.0.0.1:${this.edgeAdmin}`,
      state_directory: this.folder.file("edge"),
      "nodes.listen": `127.0.0.1:${this.controlPort}`,
      ...settings,
    });
    await process.waitUntil(() => this.isReady(this.edgeAdmin));
    return process;
  }

  node(role: "connector" | "tunneler", settings: Settings = {}): Process {
    return this.#start([role], {
      control: `http://127.0.0.1:${this.port}`,
      admin_listen: `127.0.0.1:${this.admins[role]}`,
      state_directory: this.folder.file(role),
      "node.control": `127.0.0.1:${this.controlPort}`,
      "node.private_ip": "127.0.0.1",
      "node.enrollment_token_file": this.folder.file(`${role}.token`),
      ...(role === "connector"
        ? { "node.listen": `127.0.0.1:${this.connectorPort}` }
        : { "node.connector": `127.0.0.1:${this.connectorPort}` }),
      ...settings,
    });
  }

  /** As `postern enroll-token` does. */
  async token(role: string, id: string, file = role, bounds: { ek_sha256?: string } = {}): Promise<void> {
    const asked = { role, id, ...bounds };
    const { token } = await this.api("POST", "/v1/enroll/tokens", asked) as { token: string };
    const path = await this.folder.write(`${file}.token`, token);
    await Deno.chmod(path, 0o600);
  }

  async allow(connector: string, tunneler: string, what = "allow"): Promise<void> {
    await this.api("POST", `/api/admin/node-rules/${what}`, { connector, tunneler });
  }

  get operatorToken(): string {
    return this.folder.file("edge/management.token");
  }

  async api(method: string, path: string, body?: unknown): Promise<unknown> {
    const token = (await Deno.readTextFile(this.operatorToken)).trim();
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.ok, `${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Asks about once a second: the API has a limit. */
  async online(role: "connector" | "tunneler", id: string): Promise<void> {
    await eventually(`${role} ${id} is online`, async () => {
      const answer = await this.api("GET", `/api/admin/${role}s`) as Record<string, NodeRow[]>;
      const row = Object.values(answer).flat().find((row) => row?.id === id);
      if (row?.status === "ONLINE") return true;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return false;
    }, 90_000);
  }

  async isReady(port: number): Promise<boolean> {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) });
      await response.body?.cancel();
      return response.status === 200;
    } catch {
      return false;
    }
  }

  async ready(role: "connector" | "tunneler", wanted = true): Promise<void> {
    const port = this.admins[role];
    await eventually(
      `${role} is ${wanted ? "" : "not "}ready`,
      async () => await this.isReady(port) === wanted,
      45_000,
    );
  }

  /** What a node keeps, as openssl takes it. */
  async filesOf(role: string): Promise<string[]> {
    const { chain, keys } = await this.keptOf(role);
    const cert = await this.folder.write(`${role}.pem`, pemOfChain(chain));
    const key = await this.folder.write(`${role}.key`, der.toPem("PRIVATE KEY", keys.pkcs8));
    return ["-cert", cert, "-cert_chain", cert, "-key", key];
  }

  async serialOf(role: string): Promise<string> {
    return readNodeCertificate((await this.keptOf(role)).chain[0]).serial;
  }

  async keptOf(role: string) {
    const kept = await readIdentityFile(identityFileIn(this.folder.file(role)), plainFiles);
    return { keys: kept!.keys, chain: kept!.identity!.chain };
  }

  #start(words: string[], settings: Settings): Process {
    const process = startPostern([...words, ...flagsOf(settings)], this.folder);
    this.#started.push(process);
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#started.reverse()) await process.stop("SIGKILL");
    await this.folder[Symbol.asyncDispose]();
  }
}

Deno.test("connector and tunneler enroll, are online once echoes went all the way, and come back after each was killed, the tunneler by its TPM", async () => {
  await using nodes = await Nodes.make();
  await using tpm = await Swtpm.start({ name: "first" });
  const sealing = { tpm: tpm.address, identity_seal: "tpm" };
  const trusting = { "attestation.roots_directory": tpm.rootsDirectory };
  let edge = await nodes.edge(trusting);
  await nodes.token("connector", "c1");
  // Nobody gets in by it without this very TPM.
  const ek_sha256 = readCertificate(tpm.certificates.p384!).keySha256;
  await nodes.token("tunneler", "t1", "tunneler", { ek_sha256 });
  const without = await nodes.node("tunneler").finished();
  assert.match(without.stderr, /enrollment_ek_proof_missing/);
  await Deno.remove(nodes.folder.file("tunneler"), { recursive: true });
  await nodes.allow("c1", "t1");
  let connector = nodes.node("connector");
  await nodes.ready("connector");
  let tunneler = nodes.node("tunneler", sealing);
  await nodes.ready("tunneler");
  await nodes.online("connector", "c1");
  await nodes.online("tunneler", "t1");

  // Tokens are spent: identities are on disk.
  await Deno.remove(nodes.folder.file("connector.token"));
  await Deno.remove(nodes.folder.file("tunneler.token"));
  await tunneler.stop("SIGKILL");
  const kept = await Deno.readTextFile(identityFileIn(nodes.folder.file("tunneler")));
  assert.equal(JSON.parse(kept).sealed_to, "tpm");
  assert.equal((await nodes.node("tunneler").finished()).code, 2, "identity_sealed");
  await using other = await Swtpm.start({ name: "second" });
  const copied = await nodes.node("tunneler", { ...sealing, tpm: other.address }).finished();
  assert.equal(copied.code, 4, copied.stderr);
  assert.match(copied.stderr, /identity_seal_foreign/);
  tunneler = nodes.node("tunneler", sealing);
  await nodes.ready("tunneler");
  await connector.stop("SIGKILL");
  await nodes.ready("tunneler", false);
  connector = nodes.node("connector");
  await nodes.ready("connector");
  await nodes.ready("tunneler");
  await edge.stop("SIGKILL");
  await nodes.ready("connector", false);
  edge = await nodes.edge(trusting);
  await nodes.ready("connector");
  await nodes.ready("tunneler");
  for (const process of [connector, tunneler, edge]) assert.ok(!process.hasEnded);
});

Deno.test("a connector's certificate is no tunneler's, and a revoked node is cut within two seconds", async () => {
  await using nodes = await Nodes.make();
  await nodes.edge();
  await nodes.token("connector", "c1");
  await nodes.token("tunneler", "t1");
  await nodes.allow("*", "t*");
  const connector = nodes.node("connector");
  await nodes.ready("connector");
  const { stderr } = await Process.run("openssl", {
    args: [
      ...["s_client", "-connect", `127.0.0.1:${nodes.connectorPort}`, "-brief", "-ign_eof"],
      ...["-alpn", "postern-node/1", ...await nodes.filesOf("connector")],
    ],
    stdin: "",
  });
  assert.match(stderr, /TLSv1\.3/);
  await connector.waitFor(/peer_wrong_role/);
  const tunneler = nodes.node("tunneler");
  await nodes.ready("tunneler");
  const atMs = performance.now();
  await nodes.api("POST", "/v1/revocations", {
    kind: "id",
    value: "spiffe://localhost/tunneler/t1",
    severity: "cut",
    reason: "stolen",
  });
  await connector.waitFor(/node channel ended.*peer_certificate_revoked/);
  assert.ok(performance.now() - atMs < 2_000);
  await nodes.ready("tunneler", false);
  await connector.waitFor(/node refused.*peer_certificate_revoked/);
  assert.ok(!tunneler.hasEnded);
});

Deno.test("certificates are renewed while channels stand, and rules say which tunneler may come, at once", async () => {
  await using nodes = await Nodes.make();
  await nodes.edge({ "identity.connector": "20s", "identity.tunneler": "20s" });
  await nodes.token("connector", "c1");
  await nodes.token("tunneler", "t1");
  const connector = nodes.node("connector");
  const tunneler = nodes.node("tunneler");
  await nodes.ready("connector");
  await tunneler.waitFor(/node channel lost.*peer_policy_denied/);
  await nodes.allow("c1", "t1");
  await nodes.ready("tunneler");
  const before = [await nodes.serialOf("connector"), await nodes.serialOf("tunneler")];
  await connector.waitFor(/node certificate renewed/, 70_000);
  await tunneler.waitFor(/node certificate renewed/, 70_000);
  assert.notEqual(await nodes.serialOf("connector"), before[0]);
  assert.notEqual(await nodes.serialOf("tunneler"), before[1]);
  assert.ok(await nodes.isReady(nodes.admins.connector) && await nodes.isReady(nodes.admins.tunneler));
  for (const { stderr } of [connector, tunneler]) assert.doesNotMatch(stderr, /node channel lost.*expired/);
  await nodes.allow("c1", "t1", "disallow");
  await connector.waitFor(/node channel ended.*peer_policy_denied/);
  await nodes.ready("tunneler", false);
  await eventually("the refusal is in the audit", async () => {
    const { lines } = await nodes.api("GET", "/v1/audit?limit=100") as { lines: Record<string, unknown>[] };
    const isThere = lines.some(({ action, subject, outcome }) =>
      action === "node.refuse" && subject === "spiffe://localhost/tunneler/t1" &&
      outcome === "peer_policy_denied"
    );
    if (!isThere) await new Promise((resolve) => setTimeout(resolve, 1_000));
    return isThere;
  }, 30_000);
});

Deno.test("a node without identity, or without addresses, says what it lacks", async () => {
  await using folder = await TempDir.make("nodes");
  const cases: [string, string[]][] = [
    ["config_address_missing", ["connector"]],
    ["config_address_missing", ["tunneler", "--node-control=127.0.0.1:1"]],
    ["node_not_enrolled", ["connector", "--node-control=127.0.0.1:1", "--node-listen=127.0.0.1:0"]],
  ];
  for (const [code, words] of cases) {
    const process = startPostern([...words, `--state-directory=${folder.file("state")}`], folder);
    const { code: exit, stderr } = await process.finished();
    assert.match(stderr, new RegExp(`error\\[${code}\\]`));
    assert.equal(exit, 2);
  }
});
