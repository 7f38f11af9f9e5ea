import type { AgentConfig } from "../../src/config/mod.ts";
import { systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import type { ConnectOptions, RunningConnect } from "../../agent/private/mod.ts";
import type { Call } from "../command.ts";
import { loadAgent } from "../load.ts";
import { type RunningNode, untilStopped } from "../until_stopped.ts";

/** `postern connect SERVICE`: until it is stopped, or until the one connection over standard input and output is over. */
export async function runConnect(call: Call): Promise<number> {
  const [service] = call.arguments;
  const { pin, listen } = call.values;
  const settings = {
    ...call.settings,
    ...(pin === undefined ? {} : { "private-pin": pin }),
    ...(listen === undefined ? {} : { "private-listen": listen }),
  };
  const { config, warnings } = await loadAgent({ ...call, settings });
  const log = createLog({ ...config.log, wall: systemClock.wall, write: (line) => call.terminal.err(line) });
  for (const warning of warnings) log("warn", warning);
  const options = { service, use: useOf(call, config) };
  await untilStopped(() => Promise.resolve(connecting(config, options, log)), {
    stopping: () => log("info", "draining", { drain_timeout_ms: config.drainTimeoutMs }),
    cutShort: () => log("warn", "ended at once"),
  });
  return 0;
}

function useOf(call: Call, { private: { listen } }: AgentConfig): ConnectOptions["use"] {
  if (call.switches.has("stdio")) return { stdio: Deno };
  if (listen !== null) return { listen };
  throw new PosternError(
    "config_address_missing",
    "Cannot connect: neither --listen nor --stdio says how the service is to be used here",
  );
}

/** A node that can be stopped before it is connected. */
function connecting(config: AgentConfig, options: ConnectOptions, log: Log): RunningNode {
  const abort = new AbortController();
  let running: RunningConnect | undefined;
  const run = async () => {
    const { startConnect } = await import("../../agent/private/mod.ts");
    try {
      running = await startConnect(config, options, { log, signal: abort.signal });
    } catch (error) {
      if (abort.signal.aborted) return;
      throw error;
    }
    log("info", "private service ready", {
      service: options.service,
      listen: running.address,
      peer: running.peer.fingerprint,
      assurance: running.peer.assurance,
    });
    await running.finished;
  };
  return {
    finished: run(),
    stop: async () => {
      abort.abort();
      await running?.stop();
    },
  };
}
