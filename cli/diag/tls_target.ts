/** Whether the target of a `tls` service ends TLS itself. */
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Address, formatAddress } from "../../src/config/mod.ts";
import { proxyHeader } from "../../src/wire/proxy_protocol/mod.ts";
import { lookup } from "../lookup.ts";
import { fail, type Finding, pass } from "./check.ts";

/**
 * Shakes hands with the target. Whether viewers trust its certificate is theirs to judge: any is accepted.
 * @param sendsHeader whether the agent writes a PROXY header first
 */
export function tlsTargetFinding(
  { host, port }: Address,
  { sendsHeader, timeoutMs }: { readonly sendsHeader: boolean; readonly timeoutMs: number },
): Promise<Finding> {
  const target = formatAddress({ host, port });
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup });
    const finish = (finding: Finding) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(finding);
    };
    const timer = setTimeout(
      () => finish(fail(`${target} does not answer as TLS within ${timeoutMs} ms`, hint)),
      timeoutMs,
    );
    socket.once("error", () => finish(fail(`${target} cannot be reached`, "Start the service.")));
    socket.once("connect", () => {
      if (sendsHeader) socket.write(proxyHeader());
      const session = connectTls({ socket, rejectUnauthorized: false });
      session.once("error", () => finish(fail(`${target} does not speak TLS`, hint)));
      session.once(
        "close",
        () => finish(fail(`${target} ends the connection instead of speaking TLS`, hint)),
      );
      session.once("secureConnect", () => finish(pass(`${target} (${session.getProtocol()})`)));
    });
  });
}

const hint = "A tls service ends TLS itself; publish one that does not with `postern http` or `postern tcp`.";
