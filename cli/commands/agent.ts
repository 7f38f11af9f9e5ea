import {
  type AgentConfig,
  formatAddress,
  parseTarget,
  type Resolved,
  ruleSettings,
  type ServiceProtocol,
  settingsOf,
} from "../../src/config/mod.ts";
import { systemClock } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import type { Call } from "../command.ts";
import { loadAgent } from "../load.ts";
import { untilStopped } from "../until_stopped.ts";
import { createView } from "../view/view.ts";

/** `postern PROTOCOL TARGET`: one service, in place of those in the file. */
export async function runPublish(
  protocol: ServiceProtocol,
  call: Call,
  more: Readonly<Record<string, string>> = {},
): Promise<number> {
  const target = formatAddress(parseTarget(protocol, call.arguments[0]));
  const {
    name,
    "host-header": hostHeader,
    "proxy-protocol": proxyProtocol,
    "require-tier": requireTier,
    weight,
  } = call.values;
  const service: Record<string, string> = {
    protocol,
    target,
    ...(name !== undefined && { name }),
    ...(hostHeader !== undefined && { host_header: hostHeader }),
    ...(weight !== undefined && { weight }),
    ...(requireTier !== undefined && { require_tier: requireTier }),
    ...(proxyProtocol !== undefined && { proxy_protocol: proxyProtocol }),
    ...more,
  };
  for (const { key, flag } of settingsOf(ruleSettings)) {
    if (call.values[flag] !== undefined) service[`rules.${key}`] = call.values[flag];
  }
  return await run(call, await loadAgent(call, [service]));
}

/** `postern share TARGET [--private]`. Throws `config_value_invalid` for a protocol that is none. */
export function runShare(call: Call): Promise<number> {
  const { protocol = "tcp", connect } = call.values;
  return runPublish(protocol as ServiceProtocol, call, {
    ...(call.switches.has("private") && { private: "true" }),
    ...(connect !== undefined && { connect }),
  });
}

/** `postern agent --config FILE`. Throws `config_services_missing`. */
export async function runAgent(call: Call): Promise<number> {
  const resolved = await loadAgent(call);
  if (resolved.config.services.length === 0) {
    throw new PosternError(
      "config_services_missing",
      "Cannot run an agent: the configuration names no services",
    );
  }
  return await run(call, resolved);
}

async function run(call: Call, { config, origins, warnings }: Resolved<AgentConfig>): Promise<number> {
  const plain = call.switches.has("plain") || config.log.format === "json";
  const view = createView(call.terminal, systemClock, plain);
  const log = createLog({ ...config.log, wall: systemClock.wall, write: view.line });
  for (const warning of warnings) log("warn", warning);
  try {
    const { startAgent } = await import("../../agent/mod.ts");
    const start = () =>
      startAgent(config, {
        log,
        onStatus: view.update,
        adminMayMove: origins.get("admin_listen")?.layer === "default",
      });
    await untilStopped(start, {
      stopping: () => log("info", "draining", { drain_timeout_ms: config.drainTimeoutMs }),
      cutShort: () => view.close(),
      reload: (agent) => agent.reconnect(),
    });
  } finally {
    view.close();
  }
  return 0;
}
