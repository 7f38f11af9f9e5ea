/** Revocations that other processes with the same store make: this edge finds them by asking. */
import { codeOf } from "../errors/mod.ts";
import type { Clock, Log, MachineStore } from "../ports/mod.ts";

/** Time between two questions; with the time to answer, channels are cut within two seconds. */
export const revocationPollMs = 1_000;
/** Machines that are asked about at the same time. */
const maxAsked = 16;

export interface RevocationWatchOptions {
  readonly store: Pick<MachineStore, "machine" | "machineRevocations">;
  readonly clock: Clock;
  readonly log: Log;
  /** Agents with a TPM that have channels here now. */
  readonly agents: () => readonly string[];
  readonly onMachineRevoked: (agentId: string) => void;
}

/** Asks every {@link revocationPollMs} until the returned function is called. A store that fails is asked again. */
export function startRevocationWatch(options: RevocationWatchOptions): () => void {
  const { store, clock, log } = options;
  /** Undefined until the first answer: by then channels may stand already. */
  let seen: number | undefined;
  let isFailing = false;
  let cancel = () => {};
  let isStopped = false;
  const pass = async () => {
    try {
      const revocations = await store.machineRevocations();
      if (revocations !== seen) await cutRevoked(options);
      seen = revocations;
      isFailing = false;
    } catch (error) {
      if (!isFailing && !isStopped) {
        log("error", "revocations of machines not known", { code: codeOf(error) });
      }
      isFailing = true;
    }
    schedule();
  };
  const schedule = () => {
    if (!isStopped) cancel = clock.schedule(clock.now() + revocationPollMs, () => void pass());
  };
  schedule();
  return () => {
    isStopped = true;
    cancel();
  };
}

async function cutRevoked({ store, agents, onMachineRevoked }: RevocationWatchOptions): Promise<void> {
  const asked = [...new Set(agents())];
  for (let at = 0; at < asked.length; at += maxAsked) {
    await Promise.all(
      asked.slice(at, at + maxAsked).map(async (agentId) => {
        if ((await store.machine(agentId))?.state === "revoked") onMachineRevoked(agentId);
      }),
    );
  }
}
