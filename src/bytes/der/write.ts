/** Writes DER (X.690): the parts that certificates need. Every function returns one whole element. */
import { concat, utf8 } from "../array.ts";

type Der = Uint8Array<ArrayBuffer>;

/** Any element: its tag octet and what it holds. */
export function element(tag: number, ...content: Uint8Array[]): Der {
  const body = concat(...content);
  if (body.length < 0x80) return concat(Uint8Array.of(tag, body.length), body);
  const octets: number[] = [];
  for (let left = body.length; left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
  return concat(Uint8Array.of(tag, 0x80 | octets.length, ...octets), body);
}

export function sequence(...parts: Uint8Array[]): Der {
  return element(0x30, ...parts);
}

export function set(...parts: Uint8Array[]): Der {
  return element(0x31, ...parts);
}

/** [number] in constructed form: explicit tags, and implicit ones of sequences. */
export function context(number: number, ...parts: Uint8Array[]): Der {
  return element(0xa0 | number, ...parts);
}

/** [number] in primitive form: implicit tags of strings. */
export function contextString(number: number, octets: Uint8Array): Der {
  return element(0x80 | number, octets);
}

export function boolean(value: boolean): Der {
  return element(0x01, Uint8Array.of(value ? 0xff : 0));
}

/** An integer that is not negative, from its big-endian octets. */
export function integer(...octets: number[]): Der {
  let first = 0;
  while (first < octets.length - 1 && octets[first] === 0) first++;
  const minimal = octets.slice(first);
  return element(0x02, Uint8Array.of(...(minimal[0] >= 0x80 ? [0, ...minimal] : minimal)));
}

/** All bits but the last `unusedBits`. */
export function bitString(octets: Uint8Array, unusedBits = 0): Der {
  return element(0x03, Uint8Array.of(unusedBits), octets);
}

export function octetString(octets: Uint8Array): Der {
  return element(0x04, octets);
}

export function utf8String(text: string): Der {
  return element(0x0c, utf8(text));
}

/** From dotted decimal. */
export function objectIdentifier(dotted: string): Der {
  const [first, second, ...arcs] = dotted.split(".").map(Number);
  const octets: number[] = [];
  for (const arc of [first * 40 + second, ...arcs]) {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      groups.unshift(0x80 | left % 128);
    }
    octets.push(...groups);
  }
  return element(0x06, Uint8Array.of(...octets));
}

/** Whole seconds, in the form that RFC 5280 4.1.2.5 demands: UTCTime until 2049, then GeneralizedTime. */
export function time(ms: number): Der {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return digits < "2050" ? element(0x17, utf8(`${digits.slice(2)}Z`)) : element(0x18, utf8(`${digits}Z`));
}

/** Text form with its label, e.g. `CERTIFICATE` (RFC 7468). */
export function toPem(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The bytes of the first block of a PEM text. Throws SyntaxError. */
export function fromPem(text: string): Uint8Array<ArrayBuffer> {
  const match = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/.exec(text);
  if (match === null) throw new SyntaxError("Cannot decode PEM: there is no block");
  return Uint8Array.fromBase64(match[2]);
}
