/**
 * llhttp (the parser of Node.js, as WebAssembly inside undici) in strict mode: another reading of HTTP/1.1 to hold ours
 * against. Whole messages only; nothing of it is used outside tests and benches.
 */
import wasm from "undici/lib/llhttp/llhttp-wasm.js";

export interface LlhttpMessage {
  /** `HPE_OK` when the message was read to its end or needs more octets. */
  error: string;
  complete: boolean;
  method: string;
  target: string;
  status: number;
  minor: number;
  /** Names in lower case, values without surrounding white space; trailers follow the fields of the head. */
  headers: [string, string][];
  /** Number of `headers` that stand in the head. */
  headHeaders: number;
  body: Uint8Array;
  /** Octets up to the end of the message, -1 while incomplete. */
  bytes: number;
  keepAlive: boolean;
}

interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(size: number): number;
  free(pointer: number): void;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_execute(parser: number, data: number, length: number): number;
  llhttp_get_error_pos(parser: number): number;
  llhttp_errno_name(errno: number): number;
  llhttp_method_name(method: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_get_http_minor(parser: number): number;
  llhttp_get_status_code(parser: number): number;
}

const REQUEST = 1;
const RESPONSE = 2;
const PAUSED = 21;
const PAUSED_UPGRADE = 22;

type Part = "url" | "field" | "value" | null;

/** State of the one parse under way; llhttp calls back synchronously. */
let message: LlhttpMessage;
let chunks: Uint8Array[];
let last: Part;
let skipBody = false;

function text(at: number, length: number): string {
  let out = "";
  for (const octet of new Uint8Array(exports.memory.buffer, at, length)) out += String.fromCharCode(octet);
  return out;
}

function cString(at: number): string {
  const memory = new Uint8Array(exports.memory.buffer);
  return text(at, memory.indexOf(0, at) - at);
}

const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(wasm)), {
  env: {
    wasm_on_message_begin: () => 0,
    wasm_on_url: (_parser: number, at: number, length: number) => {
      message.target += text(at, length);
      return 0;
    },
    wasm_on_status: () => 0,
    wasm_on_header_field: (_parser: number, at: number, length: number) => {
      const part = text(at, length).toLowerCase();
      if (last === "field") message.headers[message.headers.length - 1][0] += part;
      else message.headers.push([part, ""]);
      last = "field";
      return 0;
    },
    wasm_on_header_value: (_parser: number, at: number, length: number) => {
      message.headers[message.headers.length - 1][1] += text(at, length);
      last = "value";
      return 0;
    },
    wasm_on_headers_complete: (parser: number, status: number, _upgrade: number, keepAlive: number) => {
      message.method = cString(exports.llhttp_method_name(exports.llhttp_get_method(parser)));
      message.status = status;
      message.minor = exports.llhttp_get_http_minor(parser);
      message.keepAlive = keepAlive !== 0;
      message.headHeaders = message.headers.length;
      last = null;
      return skipBody ? 1 : 0;
    },
    wasm_on_body: (_parser: number, at: number, length: number) => {
      chunks.push(new Uint8Array(exports.memory.buffer, at, length).slice());
      return 0;
    },
    wasm_on_message_complete: () => {
      message.complete = true;
      return PAUSED;
    },
  },
});
const exports = instance.exports as unknown as Exports;
exports._initialize();

function parse(type: number, bytes: Uint8Array): LlhttpMessage {
  message = {
    error: "HPE_OK",
    complete: false,
    method: "",
    target: "",
    status: 0,
    minor: -1,
    headers: [],
    headHeaders: 0,
    body: new Uint8Array(),
    bytes: -1,
    keepAlive: false,
  };
  chunks = [];
  last = null;
  const parser = exports.llhttp_alloc(type);
  const data = exports.malloc(bytes.length + 1);
  try {
    new Uint8Array(exports.memory.buffer, data, bytes.length).set(bytes);
    const errno = exports.llhttp_execute(parser, data, bytes.length);
    if (errno === PAUSED || errno === PAUSED_UPGRADE) {
      message.bytes = exports.llhttp_get_error_pos(parser) - data;
    } else message.error = cString(exports.llhttp_errno_name(errno));
  } finally {
    exports.free(data);
    exports.llhttp_free(parser);
  }
  message.body = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    message.body.set(chunk, at);
    at += chunk.length;
  }
  for (const header of message.headers) header[1] = header[1].replace(/^[ \t]+|[ \t]+$/g, "");
  return message;
}

/** The first request in `bytes`. */
export function llhttpRequest(bytes: Uint8Array): LlhttpMessage {
  skipBody = false;
  return parse(REQUEST, bytes);
}

/** The first response in `bytes`; `ofHead` when it answers HEAD. */
export function llhttpResponse(bytes: Uint8Array, ofHead = false): LlhttpMessage {
  skipBody = ofHead;
  return parse(RESPONSE, bytes);
}
