/** What every answer of the dashboard says to browsers. */
import type { MiddlewareHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { PosternError } from "../errors/mod.ts";
import type { Markup } from "./parts.tsx";

/**
 * Scripts, styles and pictures come from files of our own; nothing is inline, nobody frames a page, and forms lead nowhere
 * else (CSP Level 3).
 */
const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "Content-Security-Policy": contentPolicy,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  // Not no-referrer: browsers would then hide the origin from our own forms' targets, too (Fetch 3.2), where it is checked.
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};

export const secureAnswers: MiddlewareHandler = async (context, next) => {
  await next();
  for (const [name, value] of Object.entries(headers)) context.res.headers.set(name, value);
  if (!context.res.headers.has("Cache-Control")) context.res.headers.set("Cache-Control", "no-store");
};

/** A page of ours to go to: anything else, other hosts above all, becomes the overview. */
export function ownPath(wanted: string | undefined): string {
  const isOwn = wanted !== undefined && wanted.length <= 1_000 &&
    /^\/dashboard($|[/?][\x21-\x7e]*$)/.test(wanted) && !wanted.includes("\\") && !wanted.includes("//");
  return isOwn ? wanted : "/dashboard";
}

/** The page as it is sent. */
export function pageOf(page: Markup): string {
  return `<!doctype html>${markupOf(page)}`;
}

/** Nothing of ours waits while it is rendered. */
export function markupOf(part: Markup): string {
  return String(part);
}

/** HTTP status of a failure. */
export function statusOf(error: unknown): ContentfulStatusCode {
  return ((error instanceof PosternError ? error.facts.status : undefined) ?? 500) as ContentfulStatusCode;
}

/** What a form is answered that was refused. Throws on what is no refusal. */
export function refusalOf(error: unknown): { readonly title: string; readonly text: string } {
  if (error instanceof PosternError) return { title: error.facts.title, text: error.facts.remedy };
  throw error;
}
