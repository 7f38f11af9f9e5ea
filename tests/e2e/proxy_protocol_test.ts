import assert from "node:assert/strict";
import { agentDefaults } from "../../src/config/mod.ts";
import { proxyHeader } from "../../src/wire/proxy_protocol/mod.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { Haproxy } from "../support/haproxy.ts";
import { Nginx } from "../support/nginx.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, metricOf, type Settings, type Stack, startStack } from "../support/stack.ts";

const edgeEnd = { host: "198.51.100.1", port: 443 };
/** Where `proxy_protocol_from` lets proxies be, while agents and others come over IPv4. */
const proxiesOverV6 = { listen: "[::]:0", anonymous_tunnels: "true", proxy_protocol_from: "::1" };

async function viaProxy(port: number): Promise<RawClient> {
  return new RawClient(await Deno.connect({ hostname: "::1", port }));
}

/** Answers with who is asking, as HTTP or as raw bytes. */
function web(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    return new Response(request.headers.get("x-forwarded-for"));
  });
}

/** An nginx that wants a header on every connection, and tells and logs whom it names. */
function headerReader(listen = "{port}", more = ""): Promise<Nginx> {
  return Nginx.start({
    http: `server { listen 127.0.0.1:${listen} proxy_protocol; ${more}
      set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
      location / { return 200 "$proxy_protocol_addr $proxy_protocol_server_addr $proxy_protocol_server_port\\n"; } }`,
  });
}

function tcpPort(stack: Stack): number {
  return stack.plane.status().sessions.flatMap(({ tcp_ports }) => tcp_ports)[0];
}

async function refusals(stack: Stack, code: string): Promise<number> {
  return metricOf(await stack.metrics(), `postern_refusals_total{code="${code}",layer="listener"}`);
}

Deno.test("HAProxy with send-proxy-v2 in front: services see its clients' addresses, over http, https, tls and tcp", async () => {
  await using ca = await CertificateAuthority.make();
  const { certPath, keyPath } = await ca.issue({ names: ["DNS:localhost", "DNS:web.localhost"] });
  const vaultPair = await ca.issue({ names: ["DNS:vault.localhost"] });
  await using origin = web();
  await using vault = await headerReader(
    "{port} ssl",
    `ssl_certificate ${vaultPair.certPath}; ssl_certificate_key ${vaultPair.keyPath};`,
  );
  await using raw = await headerReader();
  await using stack = await startStack({
    edge: { "tls.cert_file": certPath, "tls.key_file": keyPath, proxy_protocol_from: "127.0.0.2/32" },
  });
  const proxied = { proxy_protocol: "v2" };
  await stack.addAgent([
    { name: "web", target: `127.0.0.1:${origin.addr.port}` },
    { name: "vault", protocol: "tls", target: `127.0.0.1:${vault.port}`, ...proxied },
    { name: "raw", protocol: "tcp", target: `127.0.0.1:${raw.port}`, ...proxied },
  ], { control: `https://localhost:${stack.port}`, ca_file: ca.ca.certPath });
  await using haproxy = await Haproxy.start([stack.port, tcpPort(stack)], "127.0.0.2", "send-proxy-v2");
  const [front, tcpFront] = haproxy.ports;
  const ask = async (url: string) => {
    const args = ["--cacert", ca.ca.certPath, "--interface", "127.0.0.77"];
    const { text, stderr } = await curl(url, { args });
    return text || stderr;
  };
  assert.equal(await ask(`http://web.localhost:${front}/`), "127.0.0.77");
  assert.equal(await ask(`https://web.localhost:${front}/`), "127.0.0.77");
  assert.equal(await ask(`https://vault.localhost:${front}/`), `127.0.0.77 127.0.0.1 ${front}\n`);
  assert.equal(await ask(`http://127.0.0.1:${tcpFront}/`), `127.0.0.77 127.0.0.1 ${tcpFront}\n`);
  assert.match(await raw.accessLog(), /^127\.0\.0\.77 - /);
});

Deno.test("nginx behind an agent with proxy_protocol: v2 logs the viewers' own addresses, IPv4 and IPv6, and the port that they asked for", async () => {
  await using origin = await headerReader();
  await using stack = await startStack({
    edge: { listen: "[::]:0", anonymous_tunnels: "true" },
    services: [{
      name: "raw",
      protocol: "tcp",
      target: `127.0.0.1:${origin.port}`,
      proxy_protocol: "v2",
    }],
  });
  const port = tcpPort(stack);
  const four = await curl(`http://127.0.0.1:${port}/`, { args: ["--interface", "127.0.0.9"] });
  assert.equal(four.text, `127.0.0.9 127.0.0.1 ${port}\n`);
  assert.equal((await curl(`http://[::1]:${port}/`)).text, `::1 ::1 ${port}\n`);
  await eventually("both are logged", async () => /^127\.0\.0\.9 [^]*^::1 /m.test(await origin.accessLog()));
});

Deno.test("a header from a trusted source is believed, its extensions are passed over, and LOCAL speaks for the proxy itself", async () => {
  await using origin = web();
  await using stack = await startStack({
    edge: proxiesOverV6,
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const ask = async (header: Uint8Array) => {
    using viewer = await viaProxy(stack.port);
    for (const byte of header.subarray(0, 20)) await viewer.send(Uint8Array.of(byte));
    await viewer.send(header.subarray(20));
    await viewer.get(stack.host("web"), "/", ["Connection: close"]);
    return (await viewer.response()).body;
  };
  assert.equal(await ask(proxyHeader({ host: "203.0.113.7", port: 1 }, edgeEnd)), "203.0.113.7");
  assert.equal(await ask(proxyHeader({ host: "2001:db8::7", port: 1 }, edgeEnd)), "2001:db8::7");
  const tlvs = new Uint8Array(3_000);
  const long = new Uint8Array([...proxyHeader({ host: "203.0.113.8", port: 1 }, edgeEnd), ...tlvs]);
  new DataView(long.buffer).setUint16(14, long.length - 16);
  assert.equal(await ask(long), "203.0.113.8");
  const local = proxyHeader();
  local[12] = 0x20;
  assert.equal(await ask(local), "::1");
  // Who comes from elsewhere needs none.
  assert.equal(await (await stack.fetch("web")).text(), "127.0.0.1");
});

Deno.test("each fault of a header is refused with its code, in silence, before anything else is looked at", async () => {
  await using origin = RawOrigin.silent();
  await using stack = await startStack({
    edge: { ...proxiesOverV6, "timeouts.peek": "300ms" },
    services: [{ name: "raw", protocol: "tcp", target: origin.target }],
  });
  const good = proxyHeader({ host: "203.0.113.7", port: 1 }, edgeEnd);
  const changed = (at: number, ...values: number[]) => {
    const bytes = good.slice();
    bytes.set(values, at);
    return bytes;
  };
  const faults: [string, string | Uint8Array][] = [
    ["proxy_header_missing", "GET / HTTP/1.1\r\nHost: raw.localhost\r\n\r\n"],
    ["proxy_header_version", "PROXY TCP4 203.0.113.7 198.51.100.1 1 443\r\n"],
    ["proxy_header_malformed", changed(13, 0x41)],
    ["proxy_header_too_large", changed(14, 0xff, 0xff)],
    ["proxy_header_timeout", good.subarray(0, 20)],
  ];
  for (const port of [stack.port, tcpPort(stack)]) {
    for (const [code, bytes] of faults) {
      const before = await refusals(stack, code);
      using viewer = await viaProxy(port);
      await viewer.send(bytes);
      assert.equal(await viewer.rest(), "", code);
      assert.equal(await refusals(stack, code), before + 1, code);
    }
  }
  // A health check that only connects is no fault.
  using check = await viaProxy(stack.port);
  await check.conn.closeWrite();
  assert.equal(await check.rest(), "");
  assert.equal(await refusals(stack, "proxy_header_missing"), 2);
  assert.equal(origin.connections, 0);
});

Deno.test("a header from an untrusted source is refused on every port, and no service sees one", async () => {
  const seen: number[] = [];
  await using origin = RawOrigin.start(async (socket) => {
    seen.push((await socket.rest()).length);
  });
  await using stack = await startStack({
    edge: proxiesOverV6,
    services: [{ name: "raw", protocol: "tcp", target: origin.target }],
  });
  const header = proxyHeader({ host: "203.0.113.7", port: 1 }, edgeEnd);
  const texts = [header, "PROXY TCP4 203.0.113.7 198.51.100.1 1 443\r\n"];
  for (const port of [stack.port, tcpPort(stack)]) {
    for (const bytes of texts) {
      using viewer = await RawClient.connect(port);
      await viewer.send(bytes);
      assert.equal(await viewer.rest(), "");
    }
  }
  assert.equal(await refusals(stack, "proxy_header_untrusted"), 2);
  using slow = await RawClient.connect(tcpPort(stack));
  for (const byte of header) await slow.send(Uint8Array.of(byte)).catch(() => {});
  assert.equal(await slow.rest(), "");
  await eventually("the service has seen the ends", () => seen.length === origin.connections);
  assert.ok(seen.every((length) => length < 12), `${seen}`);
  // Behind a trusted header another one is somebody else's.
  using twice = await viaProxy(stack.port);
  await twice.send(new Uint8Array([...header, ...header]));
  assert.equal(await twice.rest(), "");
  assert.equal(await refusals(stack, "proxy_header_untrusted"), 3);
});

Deno.test("connections are counted for the address in the header, and never for the proxy's own", async () => {
  await using stack = await startStack({
    edge: { ...proxiesOverV6, "limits.max_connections_per_address": "2" },
  });
  const open: RawClient[] = [];
  const connect = async (host: string) => {
    const viewer = await viaProxy(stack.port);
    open.push(viewer);
    await viewer.send(proxyHeader({ host, port: 1 }, edgeEnd));
    await viewer.get("nobody.localhost").catch(() => {});
    return (await viewer.response().catch(() => undefined))?.status;
  };
  try {
    for (let n = 1; n <= 6; n++) assert.equal(await connect(`203.0.113.${n}`), 404);
    assert.equal(await connect("203.0.113.1"), 404);
    assert.equal(await connect("203.0.113.1"), undefined);
    assert.equal(await refusals(stack, "viewer_limit"), 1);
    assert.equal(await connect("203.0.113.7"), 404);
  } finally {
    for (const viewer of open) viewer[Symbol.dispose]();
  }
});

Deno.test("proxy_protocol of an http service is refused with config_conflict: its connections are shared by viewers", () => {
  const service = (more: Settings) => [{ target: "127.0.0.1:1", proxy_protocol: "v2", ...more }];
  assert.throws(() => agentDefaults({}, service({})), { code: "config_conflict" });
  for (const protocol of ["tcp", "tls"]) {
    assert.equal(agentDefaults({}, service({ protocol })).services[0].proxyProtocol, "v2");
  }
});

Deno.test("whom a proxy names is held to the edge's lists and limits, also where its address is one of proxies", async () => {
  await using origin = web();
  await using stack = await startStack({
    edge: {
      ...proxiesOverV6,
      proxy_protocol_from: "::1,192.0.2.0/24",
      "access.deny": "192.0.2.9",
      "limits.max_connections_per_address": "4", // the agent needs some
    },
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const ask = async (host: string): Promise<RawClient> => {
    const viewer = await viaProxy(stack.port);
    await viewer.send(proxyHeader({ host, port: 4_000 }, edgeEnd));
    await viewer.send(`GET / HTTP/1.1\r\nHost: ${stack.host("web")}\r\n\r\n`);
    return viewer;
  };
  using served = new DisposableStack();
  for (let n = 0; n < 4; n++) {
    assert.match(await served.use(await ask("192.0.2.8")).through("192.0.2.8"), /200 OK/);
  }
  using second = await ask("192.0.2.8");
  using denied = await ask("192.0.2.9");
  await eventually("one too many", async () => await refusals(stack, "viewer_limit") === 1);
  await eventually("one denied", async () => await refusals(stack, "address_denied") === 1);
  await assert.rejects(second.through("200"));
  await assert.rejects(denied.through("200"));
});
