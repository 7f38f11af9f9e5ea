/** The dashboard on a control plane under test, asked like a browser does: with cookies and forms, without sockets. */
import assert from "node:assert/strict";
import { firstInvite, inviteAdmin } from "../../src/control/admin/mod.ts";
import type { LiveChannel } from "../../src/control/mod.ts";
import { dashboard } from "../../src/dashboard/mod.ts";
import type { AdminRole } from "../../src/ports/mod.ts";
import { requestBuckets, type TrafficTotals } from "../../src/telemetry/mod.ts";
import { type ControlOptions, issuer, openControl } from "../control/support.ts";

export const password = "correct horse battery";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const noTraffic: TrafficTotals = {
  requests: 0,
  failures: 0,
  bytesIn: 0,
  bytesOut: 0,
  buckets: requestBuckets.map(() => 0).concat(0),
};

/** Names that would do something if they were not escaped. */
export const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`;

export async function openDashboard(options: ControlOptions = {}) {
  const control = await openControl(options);
  const totals = { now: noTraffic };
  const app = dashboard({
    control: control.deps,
    api: async (request, clientIp) => await control.app.fetch(request, { clientIp }),
    traffic: () => Promise.resolve(totals.now),
    load: () => Promise.resolve(control.channels),
    clock: control.clock,
  });
  const send = async (request: Request, clientIp = "192.0.2.1"): Promise<Answer> => {
    const response = await app.fetch(request, { clientIp });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  return { control, app, send, totals, [Symbol.asyncDispose]: () => control[Symbol.asyncDispose]() };
}

export type OpenDashboard = Awaited<ReturnType<typeof openDashboard>>;

/** Keeps cookies, and sends what a browser does. */
export class Browser {
  readonly #send: OpenDashboard["send"];
  readonly cookies = new Map<string, string>();

  constructor({ send }: Pick<OpenDashboard, "send">) {
    this.#send = send;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#keep(new Request(`${issuer}${path}`, { headers: { Cookie: this.cookie, ...headers } }));
  }

  /** Sends a form of our own page. */
  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#keep(
      new Request(`${issuer}${path}`, {
        method: "POST",
        headers: { Cookie: this.cookie, Origin: issuer, "Sec-Fetch-Site": "same-origin", ...headers },
        body: new URLSearchParams(fields),
      }),
    );
  }

  get cookie(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  async #keep(request: Request): Promise<Answer> {
    const answer = await this.#send(request);
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (value === "" || /max-age=0/i.test(cookie)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  /** The token that the forms of this page carry. */
  async csrf(path = "/dashboard"): Promise<string> {
    const { text } = await this.get(path);
    return /name="csrf" value="([^"]+)"/.exec(text)![1];
  }
}

/** The first owner, `ann`, who has made the account by the first link. */
export async function firstOwner(open: OpenDashboard): Promise<Browser> {
  const browser = new Browser(open);
  const { secret } = (await firstInvite(open.control.deps))!;
  const made = await browser.post("/dashboard/setup", { secret, name: "ann", password });
  assert.equal(made.status, 303, made.text);
  return browser;
}

/** Somebody with this role, signed in. */
export async function signedIn(open: OpenDashboard, role: AdminRole): Promise<Browser> {
  const browser = new Browser(open);
  const { secret } = await inviteAdmin(open.control.deps, "test", { role });
  const made = await browser.post("/dashboard/setup", { secret, name: `the-${role}`, password });
  assert.equal(made.status, 303, made.text);
  return browser;
}

export const channelOf = (change: Partial<LiveChannel> = {}): LiveChannel => ({
  sessionId: "s-1",
  edgeId: "edge-1",
  tunnelId: "t-1",
  agentId: "agent-1",
  tier: "tpm",
  state: "established",
  isOnline: true,
  rttMs: 12.4,
  sinceMs: Date.UTC(2026, 0, 1),
  streams: 3,
  requests: 12_345,
  bytesIn: 1_536,
  bytesOut: 2_000_000,
  remote: "192.0.2.7:4433",
  ...change,
});

/** Text of a page without its tags, blanks as one. */
export function wordsOf(html: string): string {
  return html.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
}
