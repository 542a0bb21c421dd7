/** G.711 expansion by table (ITU-T G.711): 8-bit A-law and mu-law to 16-bit linear, left-justified as in the ITU's own tool. */

function expandALaw(code: number): number {
  const x = code ^ 0x55;
  const exponent = (x & 0x70) >> 4;
  let magnitude = ((x & 0x0f) << 4) + 8;
  if (exponent > 0) magnitude += 0x100;
  if (exponent > 1) magnitude <<= exponent - 1;
  return (x & 0x80) !== 0 ? magnitude : -magnitude;
}

function expandMuLaw(code: number): number {
  const x = ~code & 0xff;
  const magnitude = ((((x & 0x0f) << 3) + 0x84) << ((x & 0x70) >> 4)) - 0x84;
  return (x & 0x80) !== 0 ? -magnitude : magnitude;
}

/** Linear value of each A-law code. */
export const aLawTable: Int16Array = Int16Array.from({ length: 256 }, (_, code) => expandALaw(code));
/** Linear value of each mu-law code. */
export const muLawTable: Int16Array = Int16Array.from({ length: 256 }, (_, code) => expandMuLaw(code));

/** Expands `length` codes. @returns samples written */
export function decodeG711(table: Int16Array, source: Uint8Array, offset: number, length: number, target: Int16Array): number {
  for (let i = 0; i < length; i++) target[i] = table[source[offset + i]!]!;
  return length;
}
