/** TPM2_GetCapability (Part 3, 30.2): what a TPM is, has and holds. */
import {
  type TpmBank,
  TpmHr,
  TPML_PCR_SELECTION,
  type TpmReader,
  TpmWriter,
} from "../../src/attestation/tpm/mod.ts";
import type { TpmTurn } from "./turn.ts";

/** TPM_CAP (Part 2, 6.12). */
const TpmCap = { handles: 0x0000_0001, pcrs: 0x0000_0005, properties: 0x0000_0006 } as const;

/** TPM_PT (Part 2, 6.13), of the group that does not change. */
const TpmPt = {
  fixed: 0x100,
  manufacturer: 0x105,
  vendorString1: 0x106,
  vendorString4: 0x109,
  firmwareVersion1: 0x10b,
  firmwareVersion2: 0x10c,
  hrTransientMin: 0x10e,
  nvBufferMax: 0x12c,
} as const;
/** Properties of that group: 0x100 to 0x12e. */
const FIXED_PROPERTIES = 0x2f;
/** TPM2_NV_Read of every TPM gives as much at once, when it does not say how much. */
const DEFAULT_NV_BUFFER_BYTES = 512;
/** MAX_CAP_HANDLES and MAX_TPM_PROPERTIES of a response of at most 4,096 bytes. */
const MAX_HANDLES = 254;
const MAX_PROPERTIES = 127;
/** Rounds of a capability that says that there is more. */
const MAX_ROUNDS = 16;

/** What a TPM says about itself. */
export interface TpmProperties {
  /** Four letters by the TCG's registry of vendors, e.g. `IFX`, `INTC`, `IBM` (the software TPM). TPM text. */
  readonly manufacturer: string;
  /** TPM text. */
  readonly model: string;
  /** As quotes have it. */
  readonly firmwareVersion: bigint;
  /** Objects that can be loaded at once, at least. */
  readonly transientSlots: number;
  /** Most bytes of one TPM2_NV_Read. */
  readonly nvBufferBytes: number;
}

export async function readProperties(turn: TpmTurn): Promise<TpmProperties> {
  const properties = await getCapability(turn, TpmCap.properties, TpmPt.fixed, FIXED_PROPERTIES, (reader) => {
    const count = reader.u32();
    if (count > MAX_PROPERTIES) throw reader.malformed(`it declares ${count} properties`);
    return new Map(Array.from({ length: count }, () => [reader.u32(), reader.u32()]));
  });
  const value = (property: number) => properties.value.get(property) ?? 0;
  const model: number[] = [];
  for (let at: number = TpmPt.vendorString1; at <= TpmPt.vendorString4; at++) model.push(value(at));
  return {
    manufacturer: textOf([value(TpmPt.manufacturer)]),
    model: textOf(model),
    firmwareVersion: BigInt(value(TpmPt.firmwareVersion1)) << 32n | BigInt(value(TpmPt.firmwareVersion2)),
    transientSlots: value(TpmPt.hrTransientMin),
    nvBufferBytes: value(TpmPt.nvBufferMax) || DEFAULT_NV_BUFFER_BYTES,
  };
}

/** Banks that have PCRs at all, and which. */
export async function readBanks(turn: TpmTurn): Promise<ReadonlyMap<TpmBank, readonly number[]>> {
  const { value } = await getCapability(turn, TpmCap.pcrs, 0, 1, (reader) => TPML_PCR_SELECTION.read(reader));
  return new Map(value.filter(({ pcrs }) => pcrs.length > 0).map(({ bank, pcrs }) => [bank, pcrs]));
}

/** Handles in use of the range that begins with `first`, ascending. */
export async function readHandles(turn: TpmTurn, first: number): Promise<number[]> {
  const handles: number[] = [];
  for (let from = first, round = 0; round < MAX_ROUNDS; round++) {
    const { value, hasMore } = await getCapability(turn, TpmCap.handles, from, MAX_HANDLES, (reader) => {
      const count = reader.u32();
      if (count > MAX_HANDLES) throw reader.malformed(`it declares ${count} handles`);
      return Array.from({ length: count }, () => reader.u32());
    });
    // TPM_HT is the top byte. Loaded sessions of both kinds are listed under that of HMAC sessions (Part 3, 30.2.1).
    handles.push(...value);
    if (!hasMore || value.length === 0) break;
    from = value[value.length - 1] + 1;
  }
  return handles;
}

/** Unloads all objects and sessions. Those of others are never there: see {@link TpmLine}. */
export async function unloadAll(turn: TpmTurn): Promise<void> {
  for (const range of [TpmHr.transient, TpmHr.hmacSession]) {
    for (const handle of await readHandles(turn, range)) await turn.flush(handle);
  }
}

async function getCapability<T>(
  turn: TpmTurn,
  capability: number,
  property: number,
  count: number,
  read: (reader: TpmReader) => T,
): Promise<{ value: T; hasMore: boolean }> {
  const parameters = new TpmWriter().u32(capability).u32(property).u32(count).bytes();
  return await turn.run({ name: "getCapability", parameters }, (reader) => {
    const hasMore = reader.u8() !== 0;
    if (reader.u32() !== capability) throw reader.malformed("it is about another capability");
    return { value: read(reader), hasMore };
  });
}

/** Four characters a number, without what pads them. */
function textOf(numbers: readonly number[]): string {
  const bytes = numbers.flatMap((
    number,
  ) => [number >>> 24, number >>> 16 & 255, number >>> 8 & 255, number & 255]);
  return String.fromCharCode(...bytes.filter((byte) => byte > 0x1f && byte < 0x7f)).trim().replace(
    / +/g,
    " ",
  );
}
