/** The certificates that an edge begins with. */
import { type EdgeConfig, isLoopbackHost } from "./config/mod.ts";
import { type CertificateFiles, loadOrMakeDevCertificates } from "./driver/tls/mod.ts";
import type { Clock, Log, Random } from "./ports/mod.ts";
import { StateDirectory } from "./state_directory.ts";

/** Configured certificates; on loopback, development certificates; otherwise none, which is said. */
export async function certificateFilesOf(
  config: EdgeConfig,
  state: StateDirectory,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): Promise<{ files: CertificateFiles | undefined; caPath: string | undefined }> {
  const { certFile, keyFile } = config.tls;
  if (certFile !== null && keyFile !== null) {
    return { files: { certPath: certFile, keyPath: keyFile }, caPath: undefined };
  }
  if (!isLoopbackHost(config.listen.host)) {
    log("warn", "no certificate is configured: viewers and control requests are not encrypted", {});
    return { files: undefined, caPath: undefined };
  }
  const files = await loadOrMakeDevCertificates(state.path, { publicHost: config.publicHost, clock, random });
  return { files, caPath: files.caPath };
}
