/** No tunnel: what client and origin cost by themselves. Over a link, what the link carries. */
import { HOST, type Peer } from "./peer.ts";

export const direct: Peer = {
  name: "direct",
  describe: () => Promise.resolve("no tunnel"),
  async start({ origin, link }) {
    const hostname = "127.0.0.1";
    const { labPort, httpPort, httpsPort } = origin;
    return {
      lab: { hostname, port: await link?.to(labPort) ?? labPort },
      tcpHttp: { hostname, port: await link?.to(httpPort) ?? httpPort, host: hostname },
      ...(httpsPort !== undefined && { https: { hostname, port: httpsPort, host: HOST, secure: true } }),
      processes: {},
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
};
