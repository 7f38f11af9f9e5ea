import { utf8 } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { type Refusal, RefusalBody, refusalError } from "./refusal.ts";
import { type ResponseHead, ResponseHeadReader } from "./response_head.ts";
import { CARRIER_PROTOCOL, hasToken, upgradeAccept, WEBSOCKET_VERSION } from "./upgrade_key.ts";

/**
 * The client's request (RFC 6455 4.1). `host` is the authority with its port unless that is the scheme's own, `path`
 * is an absolute path without query. A channel's credentials go through the channel; `bearer` is for those who have none yet.
 */
export function upgradeRequest(
  host: string,
  path: string,
  key: string,
  bearer?: string,
): Uint8Array<ArrayBuffer> {
  if (!/^[!-~]+$/.test(host) || !/^\/[!-~]*$/.test(path) || /[?#]/.test(path)) {
    throw new PosternError("websocket_url_invalid", "Cannot ask for an upgrade: host or path is malformed");
  }
  if (bearer !== undefined && !/^[A-Za-z0-9._~+/-]+=*$/.test(bearer)) {
    throw new PosternError("websocket_url_invalid", "Cannot ask for an upgrade: the token is malformed");
  }
  return utf8(
    `GET ${path} HTTP/1.1\r\n` +
      `Host: ${host}\r\n` +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      `Sec-WebSocket-Key: ${key}\r\n` +
      `Sec-WebSocket-Version: ${WEBSOCKET_VERSION}\r\n` +
      `Sec-WebSocket-Protocol: ${CARRIER_PROTOCOL}\r\n` +
      (bearer === undefined ? "" : `Authorization: Bearer ${bearer}\r\n`) +
      "\r\n",
  );
}

/** Reads the server's answer to {@link upgradeRequest}: validates an upgrade, explains a refusal. */
export class UpgradeResponse {
  readonly #key: string;
  readonly #wallMs: number;
  readonly #reader = new ResponseHeadReader({
    tooLarge: "websocket_head_too_large",
    invalid: "websocket_response_invalid",
  });
  #refusal: { readonly head: Refusal; readonly body: RefusalBody } | null = null;

  /** `key` is what the request carried; `wallMs` turns a Retry-After date into a delay. */
  constructor(key: string, wallMs: number) {
    this.#key = key;
    this.#wallMs = wallMs;
  }

  /**
   * Takes more bytes. Null: more are needed. Otherwise the upgrade is granted and these bytes are already frames.
   * Throws `websocket_response_invalid`, `websocket_head_too_large`, or what {@link refusalError} makes of a refusal.
   */
  push(bytes: Uint8Array): Uint8Array | null {
    if (this.#refusal) {
      if (this.#refusal.body.push(bytes)) this.end();
      return null;
    }
    const result = this.#reader.push(bytes);
    if (!result) return null;
    const { head, taken } = result;
    const rest = bytes.subarray(taken);
    if (head.status >= 200) {
      const body = new RefusalBody(head);
      this.#refusal = { head: { status: head.status, headers: head.headers, wallMs: this.#wallMs }, body };
      if (body.push(rest)) this.end();
      return null;
    }
    this.#validate(head);
    return rest;
  }

  /** The stream ended or time ran out: throws the refusal with as much of its body as came, or says what is missing. */
  end(): never {
    if (this.#refusal) throw refusalError(this.#refusal.head, this.#refusal.body.bytes);
    throw invalid("the connection ended before its head was complete");
  }

  /** Whether a refusal was read, and only its body is still waited for. */
  get isRefused(): boolean {
    return this.#refusal !== null;
  }

  /** RFC 6455 4.1, "Once the client's opening handshake has been sent". */
  #validate(head: ResponseHead): void {
    if (head.status !== 101 || !head.http11) throw invalid(`it answered with status ${head.status}`);
    const only = (name: string) => head.headers.get(name)?.join(",") ?? "";
    if (only("upgrade").toLowerCase() !== "websocket") throw invalid("it does not upgrade to websocket");
    if (!hasToken(only("connection"), "upgrade")) throw invalid("its Connection header does not say upgrade");
    if (only("sec-websocket-accept") !== upgradeAccept(this.#key)) {
      throw invalid("its Sec-WebSocket-Accept does not match the key");
    }
    if (only("sec-websocket-protocol") !== CARRIER_PROTOCOL) {
      throw invalid(`it does not speak ${CARRIER_PROTOCOL}`);
    }
    if (head.headers.has("sec-websocket-extensions")) throw invalid("it turned on an extension unasked");
  }
}

function invalid(state: string): PosternError {
  return new PosternError("websocket_response_invalid", `Cannot open the WebSocket: ${state}`);
}
