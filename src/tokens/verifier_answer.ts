/**
 * What a remote verifier says:
 *
 * ```
 *   POST <tokens.verifier_url>   {"token": "..."}
 *   200  {"valid": true, "claims": {...}}
 *   200  {"valid": false, "error": "unknown_issuer"}      error: optional, a word of at most 64 letters, digits and _
 * ```
 * Anything else is no verdict. All of it is text of a peer: of an `error` only a known form goes on, since it may hold the
 * token.
 */
import { z } from "zod";
import { utf8Decode } from "../bytes/mod.ts";
import { CATALOGUE, type ErrorCode, isErrorCode, PosternError } from "../errors/mod.ts";
import type { BoundedAnswer } from "./bounded_fetch.ts";

/** Longest answer. The claims of a token with 256 routes are 64 KiB at the very most. */
export const MAX_VERIFIER_ANSWER_BYTES = 65_536;

const answerSchema = z.discriminatedUnion("valid", [
  z.strictObject({
    valid: z.literal(true),
    claims: z.record(z.string(), z.unknown()),
    error: z.null().optional(),
  }),
  z.strictObject({
    valid: z.literal(false),
    claims: z.null().optional(),
    error: z.string().max(1_024).nullish(),
  }),
]);

export type VerifierAnswer =
  | { readonly valid: true; readonly claims: Readonly<Record<string, unknown>> }
  /** `error`: undefined unless it is a word. */
  | { readonly valid: false; readonly error: string | undefined };

/** Words by which a verifier says that it has no key for the token: it does not judge it at all. */
const NO_JUDGE: ReadonlySet<string> = new Set(["unknown_issuer", "unknown_key"]);

/** Reads an answer. Throws `token_verifier_answer_invalid`; messages hold nothing of the body. */
export function readAnswer({ status, headers, body }: BoundedAnswer): VerifierAnswer {
  if (status !== 200) throw answerInvalid(`it has status ${status}`, { status });
  const type = headers.get("content-type")?.split(";")[0].trim().toLowerCase();
  if (type !== "application/json") throw answerInvalid("it is not application/json");
  const parsed = answerSchema.safeParse(jsonOf(body));
  if (!parsed.success) throw answerInvalid("it is not a verdict");
  const answer = parsed.data;
  if (answer.valid) return { valid: true, claims: answer.claims };
  const { error } = answer;
  return { valid: false, error: error != null && /^[a-z0-9_]{1,64}$/.test(error) ? error : undefined };
}

export function answerInvalid(state: string, detail: Record<string, number | string> = {}): PosternError {
  return new PosternError(
    "token_verifier_answer_invalid",
    `Cannot use the verifier's answer: ${state}`,
    { detail },
  );
}

/** Whether the verifier has no opinion, because the token's issuer or key is none of its own. */
export function hasNoJudge(answer: VerifierAnswer): boolean {
  return !answer.valid && answer.error !== undefined && NO_JUDGE.has(answer.error);
}

/** The refusal of what the verifier calls not valid: by its own word where that is a code of tokens. */
export function refusalOf(kind: string, error: string | undefined): PosternError {
  const code: ErrorCode = error !== undefined && isErrorCode(error) && isTokenRefusal(error)
    ? error
    : "token_verifier_refused";
  const state = error === undefined ? "" : ` (${error})`;
  return new PosternError(code, `Cannot accept ${kind} token: its verifier refuses it${state}`, {
    detail: { token: kind, ...(error === undefined ? {} : { verifier_error: error }) },
  });
}

/** Not every code that begins like this is a verdict on a token: none may sound like an outage of this edge. */
function isTokenRefusal(code: ErrorCode): boolean {
  const { status, blame } = CATALOGUE[code];
  return code.startsWith("token_") && status === 401 && blame === "peer";
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Decode(body));
  } catch {
    return undefined; // what JSON.parse says holds a piece of the text
  }
}
