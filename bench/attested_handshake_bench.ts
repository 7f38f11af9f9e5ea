/**
 * What an attested machine costs: its TPM's quote, its enrollment, and whole handshakes, beside those of an agent with a key in
 * a file. Edge, control and agents are in this process, the TPMs are swtpm; each handshake is the whole of it: a stage 0 token,
 * a carrier, a challenge, evidence, a verdict, `ready`.
 */
import { EvidenceProver } from "../agent/evidence.ts";
import type { ChallengeAnswer, EvidenceAnswer } from "../agent/control_messages.ts";
import { enroll, openTpm } from "../agent/mod.ts";
import { TpmProvider } from "../agent/tpm/mod.ts";
import type { EvidenceProvider } from "../src/attestation/mod.ts";
import { parseTpmAddress } from "../src/config/mod.ts";
import { systemClock, systemRandom } from "../src/driver/mod.ts";
import { AttestedStack } from "../tests/support/attested_stack.ts";
import { type Created, RogueAgent } from "../tests/support/rogue_agent.ts";
import { Swtpm } from "../tests/support/swtpm.ts";

/** Handshakes of one iteration, all at once: each of a tunnel of its own. */
const AT_ONCE = 16;
/** Each answers one question at a time, as every TPM does. */
const MACHINES = 4;
const never = new AbortController().signal;

const tpms = await Promise.all(
  Array.from({ length: MACHINES }, (_, at) => Swtpm.start({ name: `machine ${at}` })),
);
const attested = await AttestedStack.start(tpms[0], {
  // Every request comes from another address: limits of one address are not what is measured.
  edge: { trusted_proxies: "127.0.0.1/32", "replacement.max_count": "1000", "replacement.window": "100ms" },
});
const rogue = new RogueAgent(attested.stack);
const machines = await Promise.all(tpms.map(async (tpm) => {
  await attested.enroll(tpm);
  return await openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom });
}));
const bound = await Promise.all(machines.map(() => rogue.identity()));
const inTpm = machines.map((machine) => new TpmProvider(machine));

/** `/tunnels/create` and the like, from an address that nobody came from before. */
async function post<T>(path: string, body: unknown): Promise<T> {
  const from = [10, ...systemRandom(3)].join(".");
  const response = await rogue.post(path, body, { "x-forwarded-for": from });
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${await response.text()}`);
  return await response.json();
}

const control = {
  challenge: (request: unknown) => post<ChallengeAnswer>("/attest/challenge", request),
  evidence: (request: unknown) => post<EvidenceAnswer>("/attest/evidence", request),
};

async function tunnels(): Promise<Created[]> {
  return await Promise.all(Array.from({ length: AT_ONCE }, () => post<Created>("/tunnels/create", {})));
}

async function handshake(tunnel: Created, provider: EvidenceProvider): Promise<void> {
  const created = await post<Created>("/tunnels/create", { recreate_token: tunnel.recreate_token });
  const prover = new EvidenceProver({
    control,
    provider,
    stage0Token: created.ephemeral_token,
    clock: systemClock,
    random: systemRandom,
  });
  const knock = await rogue.knock(
    created,
    created.ephemeral_token,
    async (challenge) => (await prover.open(challenge, never)).token,
  );
  const code = await Promise.race([knock.ready, knock.ended]);
  if (code !== undefined) throw new Error(`refused: ${code}`);
  knock.close();
  await knock.ended;
}

Deno.bench("quote of eight PCRs by swtpm, key made anew", { group: "TPM", n: 200 }, async () => {
  await machines[0].quote({ qualifyingData: systemRandom(32) });
});

Deno.bench("enrollment over HTTP, EK P-384", { group: "TPM", n: 10 }, async () => {
  const { token } = await attested.operator.issueEnrollmentToken({}, never);
  await enroll(machines[0], attested.operator, token, never);
});

for (const [name, providers] of [["a key in a file", bound], ["a TPM", inTpm]] as const) {
  const own = await tunnels();
  const isFirst = providers === bound;
  Deno.bench(`one handshake, ${name}`, { group: "handshake", baseline: isFirst, n: 100 }, async () => {
    await handshake(own[0], providers[0]);
  });
  Deno.bench(`${AT_ONCE} handshakes at once, ${name}`, { group: "handshake", n: 30 }, async () => {
    await Promise.all(own.map((tunnel, at) => handshake(tunnel, providers[at % MACHINES])));
  });
}

// Benches have no end of their own to wait for.
globalThis.addEventListener("unload", () => {
  for (const tpm of tpms) tpm.abandon();
  Deno.removeSync(attested.stack.folder.path, { recursive: true });
});
