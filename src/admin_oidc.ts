/** The OpenID provider that the configuration names. */
import { type EdgeConfig, readSecretFile } from "./config/mod.ts";
import { OidcProvider } from "./control/mod.ts";
import { badAuthorities, readAuthorities } from "./driver/mod.ts";
import { PosternError } from "./errors/mod.ts";
import type { Clock, Log, Random } from "./ports/mod.ts";

/**
 * Undefined where none is configured. Throws `config_value_invalid`, `ca_certificates_invalid`, and the codes of secret files.
 */
export async function openAdminOidc(
  { adminOidc }: Pick<EdgeConfig, "adminOidc">,
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<{ readonly provider: OidcProvider; close(): void } | undefined> {
  const { issuer, clientId, clientSecretFile, caFile, scopes, groupsClaim } = adminOidc;
  if (issuer === null) return undefined;
  if (clientId === null) {
    throw new PosternError(
      "config_value_invalid",
      "Cannot use admin_oidc.issuer: admin_oidc.client_id is missing",
    );
  }
  const caCerts = caFile === null ? [] : [await readAuthorities(caFile)];
  const file = clientSecretFile === null ? undefined : await readSecretFile(clientSecretFile, Deno);
  if (file?.warning !== undefined) log("warn", file.warning);
  let client: Deno.HttpClient;
  try {
    client = Deno.createHttpClient({ caCerts });
  } catch (cause) {
    throw badAuthorities(cause);
  }
  const settings = {
    issuer,
    clientId,
    ...(file === undefined ? {} : { clientSecret: file.secret }),
    scopes,
    groupsClaim,
    groups: {
      owner: adminOidc.ownerGroups,
      operator: adminOidc.operatorGroups,
      viewer: adminOidc.viewerGroups,
    },
  };
  return { provider: new OidcProvider({ settings, client, clock, random }), close: () => client.close() };
}
