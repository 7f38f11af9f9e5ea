import { type Frame, framesOf } from "../http2/peer.ts";

/** Puts frames together however they are cut. */
export class Http2Frames {
  #rest: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): Frame[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    let end = 0;
    while (all.length - end >= 9) {
      const length = 9 + ((all[end] << 16) | (all[end + 1] << 8) | all[end + 2]);
      if (all.length - end < length) break;
      end += length;
    }
    this.#rest = all.slice(end);
    return framesOf(all.subarray(0, end));
  }
}
