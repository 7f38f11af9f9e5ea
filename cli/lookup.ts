/** Names for Node's sockets, resolved as the agent does: `localhost` and all below it mean this machine (RFC 6761 6.3). */
import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";

const loopback = [{ address: "127.0.0.1", family: 4 }, { address: "::1", family: 6 }];

export const lookup: LookupFunction = (hostname, options, callback) => {
  if (!/(^|\.)localhost\.?$/i.test(hostname)) systemLookup(hostname, options, callback);
  else if (options.all) callback(null, loopback);
  else callback(null, loopback[0].address, loopback[0].family);
};
