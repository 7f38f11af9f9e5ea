/** Nonces of renewals: made without a write, known by their MAC, and good for one renewal within a minute. */
import { createHmac } from "node:crypto";
import { concat, equalConstantTime, fromBase64Url, toBase64Url, utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ControlDeps } from "./config.ts";

const renewalNonceMs = 60_000;
const randomBytes = 16;
const timeBytes = 8;
const macBytes = 16;
/** Setting with the key of the MACs: all controls of a cluster know each other's nonces. */
const keySetting = "identity.nonce_key";
const keyBytes = 32;

type NonceDeps = Pick<ControlDeps, "store" | "clock" | "random">;

export class RenewalNonces {
  readonly #deps: NonceDeps;
  #key: Promise<Uint8Array> | undefined;

  constructor(deps: NonceDeps) {
    this.#deps = deps;
  }

  async make(): Promise<{ readonly nonce: string; readonly expiresAtMs: number }> {
    const { clock, random } = this.#deps;
    const expiresAtMs = clock.wall() + renewalNonceMs;
    const time = new Uint8Array(timeBytes);
    new DataView(time.buffer).setBigUint64(0, BigInt(expiresAtMs));
    const body = concat(time, random(randomBytes));
    return { nonce: toBase64Url(concat(body, await this.#mac(body))), expiresAtMs };
  }

  /** Takes it: the second time it is refused. Throws `renewal_nonce_invalid`. */
  async spend(nonce: string): Promise<void> {
    const { clock, store } = this.#deps;
    let bytes: Uint8Array;
    try {
      bytes = fromBase64Url(nonce);
    } catch {
      throw invalid("it is malformed");
    }
    const body = bytes.subarray(0, timeBytes + randomBytes);
    const isOurs = bytes.length === timeBytes + randomBytes + macBytes &&
      equalConstantTime(bytes.subarray(body.length), await this.#mac(body));
    if (!isOurs) throw invalid("it is not of this control");
    const expiresAtMs = Number(new DataView(body.buffer, body.byteOffset).getBigUint64(0));
    if (clock.wall() >= expiresAtMs) throw invalid("its time is over");
    if (!await store.consumeOnce("renewal", nonce, expiresAtMs)) throw invalid("it was used before");
  }

  async #mac(body: Uint8Array): Promise<Uint8Array> {
    // A failure is not remembered: the store may answer the next time.
    const key = await (this.#key ??= this.#load().catch((error) => {
      this.#key = undefined;
      throw error;
    }));
    return new Uint8Array(createHmac("sha256", key).update(utf8("renewal nonce")).update(body).digest())
      .subarray(0, macBytes);
  }

  /** Of two controls that start at once the last one to write wins; both read that. */
  async #load(): Promise<Uint8Array> {
    const { store, random } = this.#deps;
    if (await store.setting(keySetting) === undefined) {
      await store.putSetting(keySetting, toBase64Url(random(keyBytes)));
    }
    return fromBase64Url(await store.setting(keySetting) ?? "");
  }
}

function invalid(state: string): PosternError {
  return new PosternError(
    "renewal_nonce_invalid",
    `Cannot renew identity: its nonce does not count: ${state}`,
  );
}
