/** Lists of addresses, asked: deny wins, and what is no address is admitted only where there are no lists. */
import { type AddressBlocks, ipBytes } from "../bytes/mod.ts";

export function isAdmitted(ip: string, allow: AddressBlocks, deny: AddressBlocks): boolean {
  if (allow.isEmpty && deny.isEmpty) return true;
  const address = ipBytes(ip.split("%", 1)[0]);
  if (address === undefined || deny.has(address)) return false;
  return allow.isEmpty || allow.has(address);
}
