import { parseClientHello } from "../../../src/wire/tls/mod.ts";
import { Process } from "../../support/process.ts";

/** The ClientHello that `openssl s_client` sends with these arguments. */
export async function openSslHello(...args: string[]): Promise<Uint8Array<ArrayBuffer>> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using _client = Process.start("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${listener.addr.port}`, ...args],
  });
  using conn = await listener.accept();
  const buffer = new Uint8Array(65_536);
  let filled = 0;
  do {
    const bytes = await conn.read(buffer.subarray(filled));
    if (bytes === null) throw new Error("Cannot read a ClientHello: openssl ended");
    filled += bytes;
  } while (parseClientHello(buffer.subarray(0, filled)) === null);
  return buffer.slice(0, filled);
}
