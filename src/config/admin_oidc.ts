/** Settings of administrators who sign in by an OpenID provider. */
import { optional, setting, unshown } from "./setting.ts";
import { guardedUrl } from "./token_verification.ts";
import { path, text, textList } from "./values.ts";

const maxGroups = 64;

const groups = (role: string) =>
  setting(textList(maxGroups, 256, "groups"), "", `Groups whose members are ${role}.`, "GROUP,...");

export const adminOidcSettings = {
  issuer: unshown(
    optional(
      guardedUrl(),
      "OpenID provider that administrators sign in by, exactly as its tokens say.",
      "URL",
    ),
  ),
  clientId: optional(text("a client id"), "Name of this edge at the provider.", "ID"),
  clientSecretFile: optional(
    path(),
    "Secret of this edge at the provider; a public client when absent.",
    "FILE",
  ),
  scopes: setting(
    textList(16, 64, "scopes"),
    "openid,profile,email",
    "What the provider is asked for.",
    "SCOPE,...",
  ),
  groupsClaim: setting(
    text("the name of a claim"),
    "groups",
    "Claim of the ID token that lists a person's groups.",
    "NAME",
  ),
  ownerGroups: groups("owners"),
  operatorGroups: groups("operators"),
  viewerGroups: groups("viewers"),
  caFile: optional(path(), "CA certificates in PEM for the provider, besides the machine's own.", "FILE"),
} as const;
