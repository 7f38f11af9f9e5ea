/** What routes are made of. */
import type { z } from "@hono/zod-openapi";
import { problemSchema } from "./schemas.ts";

export const json = <S extends z.ZodType>(schema: S) => ({ "application/json": { schema } });
export const body = <S extends z.ZodType>(schema: S) => ({ content: json(schema), required: true });

export function answers<S extends z.ZodType>(description: string, schema: S) {
  return {
    200: { description, content: json(schema) },
    default: {
      description: "Refused; `code` says why.",
      content: { "application/problem+json": { schema: problemSchema } },
    },
  };
}

/** A token is read from the header where one is sent; where it is optional, so is the header. */
export const bearer: Record<string, string[]>[] = [{ bearer: [] }];
export const optionalBearer: Record<string, string[]>[] = [{ bearer: [] }, {}];
