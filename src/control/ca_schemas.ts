/** JSON of authorities and their rotation. */
import { z } from "@hono/zod-openapi";
import { instantSchema } from "./schemas.ts";

const sha256 = z.string().openapi({ description: "SHA-256 of the certificate, hex." });
const authority = z.object({
  sha256,
  serial: z.string(),
  expires_at: instantSchema,
  accepted_from: instantSchema,
  accepted_until: instantSchema.optional().openapi({ description: "Absent: until a rotation retires it." }),
});
const rotation = z.object({
  id: z.string(),
  what: z.enum(["issuing", "root"]),
  stage: z.enum(["published", "activated"]),
  from: sha256,
  to: sha256,
  started_at: instantSchema,
  started_by: z.string(),
  activate_at: instantSchema.openapi({ description: "When the new one issues." }),
  nodes_left: z.int().openapi({ description: "Nodes that have a certificate of the old one." }),
});

export const caResponseSchema = z.object({
  trust_domain: z.string(),
  bundle_version: z.int(),
  bootstrap_sha256: sha256,
  roots: z.array(authority),
  issuing: z.array(authority.extend({
    issues: z.boolean().openapi({ description: "Whether it issues, at one control or another." }),
    here: z.boolean().openapi({ description: "Whether the control that was asked issues with it." }),
  })),
  root_key_here: z.boolean(),
  nodes: z.int().openapi({ description: "Nodes with a certificate of this control's issuing CA." }),
  rotation: rotation.optional(),
  warnings: z.array(z.object({
    code: z.enum(["ca_expires_soon", "ca_expired"]),
    kind: z.enum(["root", "issuing", "trust_bundle"]),
    sha256,
    expires_at: instantSchema,
  })).openapi({ description: "What ends within `identity.expiry_warning`, the next one first." }),
}).openapi("CaResponse");

export const caRequestResponseSchema = z.object({
  request: z.string().openapi({ description: "PKCS #10, PEM." }),
}).openapi("CaRequestResponse");

export const importCaRequestSchema = z.object({
  certificate: z.string().min(1).max(16_384).openapi({ description: "Of the issuing CA, PEM." }),
}).openapi("ImportCaRequest");

export const rotateCaRequestSchema = z.object({
  what: z.enum(["issuing", "root"]).default("issuing"),
}).openapi("RotateCaRequest");
