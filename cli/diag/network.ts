/** Checks that talk to control, edge and target. */
import type { ControlClient } from "../../agent/mod.ts";
import { ipBytes } from "../../src/bytes/mod.ts";
import { type Address, formatAddress, type ServiceConfig } from "../../src/config/mod.ts";
import {
  connectWebSocket,
  dialTcp,
  type ProxyChooser,
  systemClock,
  systemDatagrams,
  systemRandom,
} from "../../src/driver/mod.ts";
import { type Answer, httpGet } from "../http_get.ts";
import { type Check, fail, type Finding, findingOf, pass, skip } from "./check.ts";
import { tlsTargetFinding } from "./tls_target.ts";

const timeoutMs = 5000;
const maxBodyBytes = 262_144;
/** As control forgives it (setting tokens.clock_skew). */
const maxSkewMs = 30_000;

export interface ControlFacts {
  /** URL without a slash at its end. */
  readonly control: string;
  /** PEM. */
  readonly ca?: string;
  /** Through which only the carrier is checked. */
  readonly proxyFor: ProxyChooser | undefined;
  /** Asks control in the token's name; through the proxy, where there is one. */
  readonly asker: Pick<ControlClient, "hasToken" | "refreshToken">;
}

/** What is to be published; of one on the command line nobody knows what it speaks. */
export interface Target {
  readonly target: Address;
  readonly service?: Pick<ServiceConfig, "name" | "protocol" | "proxyProtocol">;
}

/** The checks of one address in the order in which they are worth reading: later ones rely on earlier ones. */
export function controlChecks(facts: ControlFacts): Check[] {
  const get = (path: string) =>
    httpGet(`${facts.control}${path}`, { timeoutMs, maxBytes: maxBodyBytes, ca: facts.ca });
  const { hostname, port, protocol } = new URL(facts.control);
  const at = {
    hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(port) || (protocol === "https:" ? 443 : 80),
  };
  let reached = false;
  const direct = (name: string, run: Check["run"]): Check => ({
    name,
    run: async () =>
      await facts.proxyFor?.(at.hostname, at.port) === undefined
        ? run()
        : skip("not checked through a proxy"),
  });
  /** A dead control is one FAIL, not four. */
  const further = (name: string, run: Check["run"]): Check =>
    direct(name, () => reached ? run() : skip("control does not answer"));
  return [
    direct("control", async () => {
      const answer = await get("/healthz").catch((error: Error) => error);
      if (answer instanceof Error) {
        return fail(`${facts.control}: ${answer.message}`, "Start the edge, or correct --control.");
      }
      reached = true;
      return answer.status === 200 ? pass(facts.control) : fail(
        `${facts.control}/healthz answers ${answer.status}`,
        "Check that --control is a Postern control plane.",
      );
    }),
    further("clock", async () => clockFinding(await get("/healthz"), systemClock.wall())),
    further("jwks", async () => {
      const answer = await get("/.well-known/jwks.json");
      const keys = answer.status === 200 ? keyCount(answer.body) : 0;
      return keys > 0 ? pass(`${keys} signing key${keys === 1 ? "" : "s"}`) : fail(
        "no signing keys at /.well-known/jwks.json",
        "Check that --control is a Postern control plane.",
      );
    }),
    {
      name: "token",
      async run() {
        if (!facts.asker.hasToken) return skip("no --token-file: anonymous");
        const isDirect = await facts.proxyFor?.(at.hostname, at.port) === undefined;
        if (isDirect && !reached) return skip("control does not answer");
        const { owner, role } = await facts.asker.refreshToken(AbortSignal.timeout(timeoutMs));
        return pass(`control takes it: ${role} ${owner}`);
      },
    },
    {
      name: "carrier",
      async run() {
        const url = facts.control.replace(/^http/, "ws");
        const { stream } = await connectWebSocket(url, {
          clock: systemClock,
          random: systemRandom,
          caCerts: facts.ca === undefined ? undefined : [facts.ca],
          proxyFor: facts.proxyFor,
          signal: AbortSignal.timeout(timeoutMs),
        });
        stream.close();
        return pass("WebSocket upgrade accepted");
      },
    },
    further("nodelay", async () => {
      // Sets it, or throws.
      const stream = await dialTcp(at.hostname, at.port, { clock: systemClock, connectTimeoutMs: timeoutMs });
      stream.close();
      return pass("TCP_NODELAY can be set");
    }),
  ];
}

export function targetChecks(targets: readonly Target[]): Check[] {
  if (targets.length > 0) return targets.map(targetCheck);
  return [{ name: "target", run: () => skip("no target given") }];
}

function targetCheck({ target, service }: Target): Check {
  return {
    name: "target",
    async run() {
      const finding = await findingOf(() => targetFinding({ target, service }));
      return service?.name ? { ...finding, detail: `${service.name}: ${finding.detail}` } : finding;
    },
  };
}

async function targetFinding({ target, service }: Target): Promise<Finding> {
  if (service?.protocol === "udp") return await udpTargetFinding(target);
  if (service?.protocol === "tls") {
    return await tlsTargetFinding(target, { sendsHeader: service.proxyProtocol !== "off", timeoutMs });
  }
  const stream = await dialTcp(target.host, target.port, { clock: systemClock, connectTimeoutMs: timeoutMs });
  stream.close();
  return pass(formatAddress(target));
}

/** What can be known of a target that speaks udp: it has an address, and a socket towards it can be had. */
export async function udpTargetFinding(target: Address) {
  const addresses = ipBytes(target.host) === undefined
    ? await systemDatagrams.lookup(target.host)
    : [target.host];
  const [first] = addresses;
  if (first === undefined) return fail(`${target.host} has no address`, "Correct the target's name.");
  systemDatagrams.bind({ hostname: first.includes(":") ? "::" : "0.0.0.0", port: 0 }).close();
  return pass(`${formatAddress(target)} (udp: whether it answers cannot be told)`);
}

/** The Date header has whole seconds, so up to one second of difference is its own. */
export function clockFinding(answer: Answer, nowMs: number) {
  const theirs = Date.parse(answer.headers.date ?? "");
  if (Number.isNaN(theirs)) return skip("control sends no Date");
  const skewMs = Math.abs(nowMs - theirs);
  const text = `${(skewMs / 1000).toFixed(1)} s from control`;
  return skewMs <= maxSkewMs
    ? pass(text)
    : fail(text, "Synchronise the clock (NTP): tokens would be refused.");
}

function keyCount(body: string): number {
  try {
    const { keys } = JSON.parse(body) as { keys?: unknown };
    return Array.isArray(keys) ? keys.length : 0;
  } catch {
    return 0;
  }
}
