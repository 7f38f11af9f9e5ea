/** Both directions' records of one channel: sealing and opening, and keys in place of keys. */
import type { TransportKeys } from "../crypto/mod.ts";
import type { SealingCore } from "../ports/mod.ts";
import type { RekeyLimits } from "./record_key.ts";
import { RecordOpener } from "./record_opener.ts";
import { RecordSealer } from "./record_sealer.ts";

export class RecordLayer {
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  readonly #onRekey: () => void;

  /**
   * @param keys copied into the core, and zeroed, but for the root
   * @param onRekey this side has changed the key that it seals with
   */
  constructor(
    options: {
      core: SealingCore;
      keys: TransportKeys;
      initiator: boolean;
      limits: RekeyLimits;
      onRekey: () => void;
    },
    now: number,
  ) {
    const { core, keys, initiator, limits, onRekey } = options;
    const send = initiator ? keys.initiatorToResponder : keys.responderToInitiator;
    const receive = initiator ? keys.responderToInitiator : keys.initiatorToResponder;
    this.#sealer = new RecordSealer(core, send, limits, now);
    this.#opener = new RecordOpener(core, receive, limits, now);
    this.#onRekey = onRekey;
    send.fill(0);
    receive.fill(0);
  }

  /** As {@link RecordSealer.seal}. */
  seal(start: number, bodyEnd: number, now: number): number {
    const { epoch } = this.#sealer;
    const end = this.#sealer.seal(start, bodyEnd, now);
    if (this.#sealer.epoch !== epoch) this.#onRekey();
    return end;
  }

  /** As {@link RecordOpener.open}. */
  open(start: number, end: number, now: number): number {
    return this.#opener.open(start, end, now);
  }

  /** Behind the record that was sealed last. @param key 32 bytes; zeroed */
  replaceSendKey(key: Uint8Array, now: number): void {
    this.#sealer.replaceKey(key, now);
    key.fill(0);
    this.#onRekey();
  }

  /** Behind the record that was opened last. @param key 32 bytes; zeroed */
  replaceReceiveKey(key: Uint8Array, now: number): void {
    this.#opener.replaceKey(key, now);
    key.fill(0);
  }

  wipe(): void {
    this.#sealer.wipe();
    this.#opener.wipe();
  }
}
