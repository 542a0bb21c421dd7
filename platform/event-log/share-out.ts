/**
 * Who of a group's members owns which partition. The same for every adapter: as even as can be, and nothing moves that need not.
 * @param owned what each member has now, by member in the order of joining
 * @returns what each member shall have, in the same order; sorted
 */
export function shareOut(partitions: number, owned: readonly (readonly number[])[]): number[][] {
  const members = owned.length;
  if (members === 0) return [];
  const least = Math.floor(partitions / members);
  let mayHaveOneMore = partitions - least * members;
  const taken = new Set<number>();
  const shares = owned.map((had) => {
    const keeps: number[] = [];
    for (const partition of had) {
      if (partition >= partitions || taken.has(partition)) continue;
      if (keeps.length === least) {
        if (mayHaveOneMore === 0) break;
        mayHaveOneMore--;
      } else if (keeps.length > least) break;
      keeps.push(partition);
      taken.add(partition);
    }
    return keeps;
  });
  const free = Array.from({ length: partitions }, (_, index) => index).filter((index) => !taken.has(index));
  for (const share of shares) while (share.length < least && free.length > 0) share.push(free.shift()!);
  for (const share of shares) if (share.length === least && free.length > 0) share.push(free.shift()!);
  for (const share of shares) share.sort((a, b) => a - b);
  return shares;
}
