/** The endpoints of private channels: two agents through an edge that reads none of it. */
export { attachToRelay } from "./attach.ts";
export { type EndpointIdentity, endpointIdentity } from "./endpoint_identity.ts";
export { endpointKey, endpointKeyIn } from "./endpoint_key.ts";
export { PrivateConnector } from "./private_connector.ts";
export { PrivateServer } from "./private_server.ts";
export { type PrivateParts, PrivateSession, type ServedStreams } from "./private_session.ts";
export { carryConnection } from "./local_connection.ts";
export { LocalListener } from "./local_listener.ts";
export { type Stdio, StdioStream } from "./stdio_stream.ts";
export { type ConnectOptions, type RunningConnect, startConnect } from "./connect.ts";
export { openPrivateParts } from "./open_parts.ts";
export { connectPrivate, type ConnectPrivateOptions, type PrivateConnection } from "./connect_private.ts";
export { type PrivateStream } from "./web_stream.ts";
