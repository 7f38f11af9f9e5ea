/** The two schemas: settings with the rules that hold between them. */
import { PosternError } from "../errors/mod.ts";
import { isLoopbackHost } from "./address.ts";
import { type AgentConfig, agentSettings } from "./agent.ts";
import { type EdgeConfig, edgeSettings, issuerOf } from "./edge.ts";
import { resolve, type Schema } from "./resolve.ts";
import { ruleKeysOf } from "./rules.ts";
import { keyOfProperty } from "./setting.ts";
import { checkTokenVerification, type RefuseIf } from "./token_verification.ts";

const refuseIf: RefuseIf = (condition, what, code = undefined) => {
  if (condition) throw new PosternError(code ?? "config_conflict", `Cannot use this configuration: ${what}`);
};

/** Whether a rule says anything: a list with entries, a value, or a group that holds one. */
function isGiven(value: unknown): boolean {
  if (typeof value !== "object") return value !== undefined;
  return value !== null && Object.values(value).some(isGiven);
}

function checkWindows(
  limits: { readonly maxStreamWindowBytes: number; readonly maxChannelWindowBytes: number },
): void {
  refuseIf(
    limits.maxChannelWindowBytes < limits.maxStreamWindowBytes,
    "limits.max_channel_window_bytes must not be below limits.max_stream_window_bytes",
  );
}

export const edgeSchema: Schema<typeof edgeSettings, EdgeConfig> = {
  name: "edge",
  settings: edgeSettings,
  finish(values) {
    const { listen, adminListen, tls, tokens, tcpPorts, heartbeat, attestation, reauth } = values;
    checkWindows(values.limits);
    refuseIf(
      heartbeat.offlineMs <= heartbeat.intervalMs,
      "heartbeat.offline must be longer than heartbeat.interval",
    );
    refuseIf(
      reauth.intervalMs > 0 && reauth.intervalMs < 1_000,
      "reauth.interval must be 0, or at least 1s",
    );
    refuseIf(
      reauth.intervalMs > 0 && reauth.graceMs >= reauth.intervalMs,
      "reauth.grace must be shorter than reauth.interval",
    );
    refuseIf(
      reauth.authorizerCaFile !== null && reauth.authorizerStatusUri === null &&
        reauth.authorizerHosts.length === 0,
      "reauth.authorizer_ca_file needs reauth.authorizer_status_uri or reauth.authorizer_hosts",
    );
    refuseIf(
      (tls.certFile === null) !== (tls.keyFile === null),
      "tls.cert_file and tls.key_file belong together",
    );
    refuseIf(
      attestation.revocationsFile !== null && attestation.rootsDirectory === null,
      "attestation.revocations_file needs attestation.roots_directory",
    );
    refuseIf(
      adminListen !== null && adminListen.port !== 0 && adminListen.port === listen.port &&
        adminListen.host === listen.host,
      "listen and admin_listen are the same address",
    );
    refuseIf(
      tcpPorts !== null && listen.port >= tcpPorts.first && listen.port <= tcpPorts.last,
      "the port of listen lies within tcp_ports",
    );
    refuseIf(
      tokens.recreateMs > tokens.recreateMaxMs,
      "tokens.recreate must not be longer than tokens.recreate_max",
    );
    refuseIf(
      tokens.managementMs > tokens.managementFamilyMs,
      "tokens.management must not be longer than tokens.management_family",
    );
    checkTokenVerification(
      tokens,
      { ownIssuer: issuerOf(values), handshakeStepMs: values.channel.handshakeStepMs },
      refuseIf,
    );
    return { ...values, anonymousTunnels: values.anonymousTunnels ?? isLoopbackHost(listen.host) };
  },
};

export const agentSchema: Schema<typeof agentSettings, AgentConfig> = {
  name: "agent",
  settings: agentSettings,
  finish(values) {
    checkWindows(values.limits);
    refuseIf(values.retry.maxMs < values.retry.initialMs, "retry.max must not be below retry.initial");
    refuseIf(
      values.origin.maxConnections < values.origin.maxIdleConnections,
      "origin.max_connections must not be below origin.max_idle_connections",
    );
    const names = new Set<string>();
    for (const { name, protocol, proxyProtocol, rules, private: isPrivate, connect } of values.services) {
      refuseIf(
        isPrivate && protocol === "tls",
        "a private service speaks http, tcp or udp; TLS passes as tcp",
      );
      refuseIf(
        isPrivate && proxyProtocol !== "off",
        "a private service has no proxy_protocol: no edge sees who connects",
      );
      refuseIf(!isPrivate && connect.length > 0, "connect is for private services");
      refuseIf(
        proxyProtocol !== "off" && protocol !== "tcp" && protocol !== "tls",
        "proxy_protocol is for tcp and tls services; viewers of an http service share its connections, and " +
          "X-Forwarded-For tells who asks",
      );
      refuseIf(rules.burst !== null && rules.rate === null, "rules.burst needs rules.rate");
      refuseIf(
        rules.burstPerAddress !== null && rules.ratePerAddress === null,
        "rules.burst_per_address needs rules.rate_per_address",
      );
      refuseIf(
        rules.basicAuth.realm !== null && rules.basicAuth.file === null,
        "rules.basic_auth.realm needs rules.basic_auth.file",
      );
      const may = ruleKeysOf(protocol);
      for (const [rule, value] of Object.entries(rules)) {
        if (isPrivate) {
          refuseIf(
            isGiven(value),
            `a private service has no rules (${keyOfProperty(rule)}): no edge sees its traffic`,
          );
        }
        if (may.has(rule)) continue;
        refuseIf(
          isGiven(value),
          `a ${protocol} service has a rule that is for other services only (${keyOfProperty(rule)})`,
        );
      }
      if (name === null) continue;
      refuseIf(names.has(name), `two services are called "${name}"`);
      names.add(name);
    }
    return values;
  },
};

/** An edge with defaults everywhere but where text is given by key, e.g. `{ listen: "127.0.0.1:0" }`. */
export function edgeDefaults(overrides: Readonly<Record<string, string>> = {}): EdgeConfig {
  return resolve(edgeSchema, { defaults: overrides }).config;
}

/** An agent with defaults everywhere but where text is given by key, publishing `services` (text by item key). */
export function agentDefaults(
  overrides: Readonly<Record<string, string>> = {},
  services: readonly Readonly<Record<string, string>>[] = [],
): AgentConfig {
  return resolve(agentSchema, { defaults: overrides, items: { services } }).config;
}
