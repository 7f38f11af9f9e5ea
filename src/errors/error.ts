/**
 * The one error type of Postern. Everything that can go wrong on purpose has a code from the closed union
 * {@link ErrorCode}; whatever else is thrown is a bug.
 */
import { CATALOGUE, type ErrorCode } from "./catalogue/mod.ts";

/** Who has to act for the failure to go away. */
export type Blame = "peer" | "viewer" | "origin" | "operator" | "control" | "local";

/** One row of the catalogue: what is known about a code before it happens. */
export interface ErrorFacts {
  /** Headline, also the title of the problem document and of the docs page. */
  readonly title: string;
  /** Who caused it. */
  readonly blame: Blame;
  /** Whether the same attempt may succeed later. When to retry is the supervisor's business. */
  readonly retryable: boolean;
  /** HTTP status where the failure is shown to an HTTP client. */
  readonly status?: number;
  /** Process exit code where it ends the CLI: 1 runtime, 2 usage, 3 not authorized, 4 attestation, 5 retries. */
  readonly exit?: 1 | 2 | 3 | 4 | 5;
  /** What happened, in the reader's words (docs page). */
  readonly cause: string;
  /** What to do about it (docs page). */
  readonly remedy: string;
}

/**
 * A failure with a stable code.
 *
 * The message reads "Cannot <do> <thing>: <state>" and never carries secret bytes; text from a peer is escaped.
 */
export class PosternError extends Error {
  readonly code: ErrorCode;
  /** Safe, structured facts for logs and problem documents. */
  readonly detail: Readonly<Record<string, string | number | boolean>>;

  constructor(
    code: ErrorCode,
    message?: string,
    options: { cause?: unknown; detail?: Record<string, string | number | boolean> } = {},
  ) {
    super(
      message ?? CATALOGUE[code].title,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "PosternError";
    this.code = code;
    this.detail = options.detail ?? {};
  }

  /** The catalogue row of this code. */
  get facts(): ErrorFacts {
    return CATALOGUE[this.code];
  }

  get retryable(): boolean {
    return this.facts.retryable;
  }
}

/** The code of any thrown value; `internal_error` for what is not a {@link PosternError}. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof PosternError ? error.code : "internal_error";
}

/** Any thrown value as a {@link PosternError}: itself, or `internal_error` with the value as its cause. */
export function errorOf(thrown: unknown, message?: string): PosternError {
  return thrown instanceof PosternError
    ? thrown
    : new PosternError("internal_error", message, { cause: thrown });
}
