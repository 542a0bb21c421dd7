/**
 * The partition of a key: FNV-1a over its UTF-16 units. Stable for ever: the order of a key's records rests on it.
 * @returns 0 .. partitions-1
 */
export function partitionOf(key: string, partitions: number): number {
  if (partitions === 1) return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions;
}
