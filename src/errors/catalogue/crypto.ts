/** Failures of Noise, keys and the sealing core. */
import type { ErrorFacts } from "../error.ts";

export const CRYPTO_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
