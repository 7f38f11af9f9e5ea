/** Administrators on a control plane under test: with cookies like a browser, or with tokens like a program. */
import assert from "node:assert/strict";
import { firstInvite, inviteAdmin } from "../../../src/control/admin/mod.ts";
import type { AdminRole } from "../../../src/ports/mod.ts";
import { type Answer, type Control, issuer } from "../support.ts";

export const password = "correct horse battery";

export interface Browser {
  readonly csrf: string;
  readonly cookie: string;
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
}

/** A POST of a page of this origin. */
export const ownPage = { Origin: issuer, "Sec-Fetch-Site": "same-origin" };

export function postWith(
  control: Control,
  path: string,
  body: unknown,
  headers: Record<string, string>,
  clientIp?: string,
): Promise<Answer> {
  return control.send(
    new Request(`${issuer}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    }),
    clientIp,
  );
}

/** Makes an account with this role by an invite. */
export async function makeAdmin(control: Control, name: string, role: AdminRole): Promise<string> {
  const { secret } = await inviteAdmin(control.deps, "test", { role });
  const made = await control.post("/api/admin/setup", { secret, name, password, session: "token" });
  assert.equal(made.status, 200, JSON.stringify(made.json));
  return made.json.account_id;
}

/** The first owner, `ann`, signed in by the first link. */
export async function firstOwner(control: Control): Promise<Browser> {
  const { secret } = (await firstInvite(control.deps))!;
  const body = { secret, name: "ann", password };
  return browserOf(control, await postWith(control, "/api/admin/setup", body, ownPage));
}

/** Signs in like a browser. */
export async function signIn(control: Control, name: string): Promise<Browser> {
  const body = { name, password };
  return browserOf(control, await postWith(control, "/api/admin/login", body, ownPage));
}

function browserOf(control: Control, answer: Answer): Browser {
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  const [cookie] = answer.headers.getSetCookie()[0].split(";");
  const csrf = answer.json.csrf_token;
  return {
    csrf,
    cookie,
    get: (path) => control.send(new Request(`${issuer}${path}`, { headers: { Cookie: cookie } })),
    post: (path, body, headers) =>
      postWith(control, path, body, { Cookie: cookie, "X-CSRF-Token": csrf, ...ownPage, ...headers }),
  };
}
