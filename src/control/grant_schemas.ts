/** JSON of private channels, with what the API description says about each field. */
import { z } from "@hono/zod-openapi";
import { base64Url32 as base64Url32Claim } from "../identity/mod.ts";
import { managementTokenSchema } from "./schemas.ts";

const base64Url32 = z.string().length(43).refine((text) => base64Url32Claim.safeParse(text).success, {
  error: "must be base64url of 32 bytes without padding",
}).openapi({ pattern: "^[A-Za-z0-9_-]{43}$" });
const channelId = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/);
const service = z.string().max(200).regex(
  /^([A-Za-z0-9._:@-]{1,128}\/)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  {
    error: "must be the name of a private service, or OWNER/NAME",
  },
);

const token = managementTokenSchema.optional().openapi({
  description:
    "A management token, or the reauth token of an attestation that stands, unless it is the Bearer.",
});

const grant = z.object({
  tunnel_url: z.string().openapi({ example: "wss://edge.example/_postern/relay" }),
  channel_id: channelId,
  channel_init_expire_at_unix_s: z.int().openapi({
    description: "By then both endpoints have to have come.",
  }),
  idle_timeout_seconds: z.int(),
  role: z.enum(["client", "server"]),
  token: z.string().openapi({ description: "Attach token: single use. Secret." }),
  e2ee_psk_b64u: base64Url32.openapi({ description: "Pre-shared key of both endpoints. Secret." }),
  allowed_suites: z.array(z.string()),
  default_suite: z.string().openapi({ example: "Noise_XXhfs+psk3_25519+MLKEM768_ChaChaPoly_SHA256" }),
  peer_static_key: base64Url32.optional().openapi({
    description: "Static key by which the other endpoint says that it will prove itself.",
  }),
  peer_agent_id: z.string().optional(),
}).openapi("ChannelInitGrant");

export const channelInitRequestSchema = z.object({
  service: service.openapi({
    description: "Name of a private service of yours; OWNER/NAME for one that you were let in to.",
    example: "db",
  }),
  channel_id: channelId.optional().openapi({ description: "24 random bytes, base64url, when absent." }),
  client_static_key: base64Url32.optional().openapi({
    description: "Your endpoint's static public key; the server is told it.",
  }),
  management_token: token,
}).openapi("ChannelInitRequest");

export const channelReissueRequestSchema = z.object({
  channel_id: channelId,
  reissue_token: base64Url32.openapi({ description: "As it came with the first grant." }),
  management_token: token,
}).openapi("ChannelReissueRequest");

export const channelResponseSchema = z.object({
  channel_id: channelId,
  grant_client: grant,
  reissue_token: z.string().openapi({
    description: "Lets you have both grants issued again until the window is over. Secret.",
  }),
}).openapi("ChannelResponse");
