/** The delay link as a process of its own: `delay_main.ts HOST PORT TARGET_HOST TARGET_PORT DELAY_MS BITS_PER_SECOND`. */
import { print } from "../../../tools/print.ts";
import { DelayLink } from "./delay_link.ts";

const [hostname, port, targetHostname, targetPort, delayMs, bitsPerSecond] = Deno.args;
const link = new DelayLink(
  { hostname, port: Number(port) },
  { hostname: targetHostname, port: Number(targetPort) },
  { delayMs: Number(delayMs), bitsPerSecond: Number(bitsPerSecond) },
);
print(JSON.stringify({ port: link.port }));
