/** Asks the API on behalf of the page that a form is on: with its cookie, its origin and its token. */
import type { Context } from "hono";
import type { Problem } from "../control/mod.ts";
import { csrfHeader } from "../control/mod.ts";
import { CATALOGUE, type ErrorCode, PosternError } from "../errors/mod.ts";
import type { DashboardEnv } from "./env.ts";
import type { DashboardDeps } from "./visit.ts";

/** What the API judges a browser by. */
const passedOn = ["Cookie", "Host", "Origin", "Sec-Fetch-Site", "X-Request-Id"];

/**
 * Posts to a route. Cookies that the answer sets are set by our own answer. Throws what the API refuses with, as an error of
 * the same code.
 */
export async function askApi(
  { api }: Pick<DashboardDeps, "api">,
  context: Context<DashboardEnv>,
  path: string,
  body: unknown,
  csrf?: string,
): Promise<Record<string, unknown>> {
  const headers = new Headers({ "Content-Type": "application/json" });
  for (const name of passedOn) {
    const value = context.req.header(name);
    if (value !== undefined) headers.set(name, value);
  }
  if (csrf !== undefined) headers.set(csrfHeader, csrf);
  const url = new URL(path, context.req.url);
  const response = await api(
    new Request(url, { method: "POST", headers, body: JSON.stringify(body) }),
    context.env?.clientIp ?? "unknown",
  );
  const told = await response.json();
  if (!response.ok) throw errorOf(told, response.headers);
  for (const cookie of response.headers.getSetCookie()) {
    context.header("Set-Cookie", cookie, { append: true });
  }
  return told;
}

function errorOf({ code, detail }: Problem, headers: Headers): PosternError {
  const known: ErrorCode = code in CATALOGUE ? code : "internal_error";
  const wait = headers.get("Retry-After");
  return new PosternError(known, detail, {
    detail: wait === null ? {} : { retry_after_seconds: Number(wait) },
  });
}
