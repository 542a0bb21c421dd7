/** The bare address out of `10.0.0.8:5060`, `[2001:db8::1]:5060` or an address alone. */
export function addressOf(source: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(source)?.[1];
  if (bracketed !== undefined) return bracketed;
  const parts = source.split(":");
  return parts.length === 2 ? (parts[0] ?? source) : source;
}
