/** The shell around the cores: clocks, randomness, sockets and WebSocket connections. */
export { acceptEach, type AcceptOptions, type Acceptor } from "./accept_loop.ts";
export { AuthorityDirectory } from "./authority_directory.ts";
export { badAuthorities, holdsCertificates, readAuthorities } from "./authorities.ts";
export { ChannelPump } from "./channel_pump.ts";
export { systemClock } from "./clock.ts";
export { type DialOptions, dialTcp, startTls, type TlsDialOptions } from "./dial.ts";
export { type EgressOptions, type EgressTarget, openStream, type ProxyChooser } from "./egress.ts";
export { type EkTrustFiles, EkTrustStore } from "./ek_trust_store.ts";
export { type HttpProxy, parseProxyUrl } from "./http_proxy.ts";
export {
  type Network,
  type Socket,
  systemNetwork,
  type TcpSocket,
  type TlsClientOptions,
  type TlsSocket,
} from "./network.ts";
export { openPrivateDirectory } from "./private_directory.ts";
export { createPrivate, readPrivate, replacePrivate, whileLocked } from "./private_file.ts";
export { systemRandom } from "./random.ts";
export { TcpStream, writeAll } from "./tcp_stream.ts";
export { connectWebSocket, type WebSocketClientOptions } from "./websocket_client.ts";
export type { WebSocketConnection } from "./websocket_connection.ts";
export { acceptWebSocketStream, type WebSocketServerOptions } from "./websocket_server.ts";
export {
  DatagramBudget,
  type DatagramBudgetLimits,
  type DatagramRoom,
  DatagramShare,
} from "./datagram_budget.ts";
export {
  type DatagramDrop,
  DatagramFlow,
  type DatagramFlowUser,
  MAX_DATAGRAM_AGE_MS,
  MAX_FLOW_BYTES,
  MAX_FLOW_DATAGRAMS,
} from "./datagram_flow.ts";
export {
  type DatagramNetwork,
  type DatagramSocket,
  isSameAddress,
  RECEIVE_BUFFER_BYTES,
  ReceiveBuffers,
  systemDatagrams,
} from "./datagram_socket.ts";
export { type Deadline, Deadlines } from "./deadlines.ts";
export { IDLE_SLAB_BYTES, LARGE_SLAB_BYTES, Slabs, SMALL_SLAB_BYTES } from "./slabs.ts";
export { SocketReader } from "./socket_reader.ts";
export { type Lease, NO_WRITER_EVENTS, SocketWriter, type SocketWriterEvents } from "./socket_writer.ts";
export { type SpliceOptions, StreamSplice } from "./stream_splice.ts";
export { LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES, WireBuffer, WireBuffers } from "./wire_buffers.ts";
