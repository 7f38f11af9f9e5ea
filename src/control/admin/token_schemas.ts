/** JSON of enrollment tokens and of how they are delivered. */
import { z } from "@hono/zod-openapi";
import { enrollmentTokenRequestSchema, enrollmentTokenResponseSchema } from "../machine_schemas.ts";
import { instantSchema } from "../schemas.ts";

export const adminTokenRequestSchema = enrollmentTokenRequestSchema.safeExtend({
  delivery: z.enum(["answer", "link"]).optional().openapi({
    description: "link: a page that shows the token once, to whoever opens it. In the answer when absent.",
  }),
}).openapi("AdminTokenRequest");

export const adminTokenResponseSchema = enrollmentTokenResponseSchema.extend({
  token: z.string().optional().openapi({ description: "Secret; told once. Absent with a link." }),
  url: z.string().optional().openapi({
    description: "The link: secret, good for one look, until the token expires.",
  }),
}).openapi("AdminTokenResponse");

export const revealRequestSchema = z.object({
  secret: z.string().min(1).max(128).openapi({ description: "What stands behind the # of the link." }),
}).openapi("RevealRequest");

export const revealResponseSchema = z.object({
  token: z.string().openapi({ description: "Secret; never shown again." }),
  token_id: z.string(),
  expires_at: instantSchema,
  deep_link: z.string().openapi({
    example: "postern://enroll?control=https%3A%2F%2Ftunnel.example#enroll.…",
  }),
  qr_svg: z.string().openapi({ description: "The deep link as an image." }),
}).openapi("RevealResponse");
