/** No tunnel: what the load generator and the origin can do by themselves on this machine. */
import type { Peer } from "./peer.ts";

export const direct: Peer = {
  name: "direct",
  describe: () => Promise.resolve("no tunnel"),
  start({ origin }) {
    const hostname = "127.0.0.1";
    return Promise.resolve({
      lab: { hostname, port: origin.labPort },
      tcpHttp: { hostname, port: origin.httpPort, host: hostname },
      processes: {},
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  },
};
