/** What is read of TLS before a TLS library sees it: the first message of a client. */
export { alertRecord, TlsAlert } from "./alert.ts";
export {
  type ClientHello,
  isTlsClientHello,
  MAX_CLIENT_HELLO_BYTES,
  MAX_HELLO_RECORDS,
  parseClientHello,
} from "./client_hello.ts";
