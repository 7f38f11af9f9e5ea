/** A viewer by node:http2, in a process of its own: prints what it saw as JSON. Arguments: port, CA file, host. */
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import process from "node:process";
import tls from "node:tls";

const [port, ca, host] = process.argv.slice(2);
const session = http2.connect(`https://${host}:${port}`, {
  createConnection: () =>
    tls.connect({
      socket: net.connect(Number(port), "127.0.0.1"),
      servername: host,
      ca: readFileSync(ca),
      ALPNProtocols: ["h2"],
    }),
});
session.on("error", (error) => {
  process.stderr.write(`${error}\n`);
  process.exit(1);
});

function ask(headers: http2.OutgoingHttpHeaders, body?: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    const seen: Record<string, unknown> = {};
    let text = "";
    stream.setEncoding("utf8");
    stream.on("headers", (interim) => seen.interim = interim[":status"]);
    stream.on("response", (head) => seen.status = head[":status"]);
    stream.on("trailers", (trailers) => seen.trailer = trailers["x-sum"]);
    stream.on("data", (part) => text += part);
    stream.on("end", () => resolve({ ...seen, body: text }));
    stream.on("error", reject);
    stream.end(body);
  });
}

const answers = [
  await ask({ ":path": "/" }),
  await ask({ ":path": "/", ":method": "POST" }, "hello"),
  await ask({ ":path": "/", ":method": "HEAD" }),
];
process.stdout.write(JSON.stringify(answers));
session.close();
