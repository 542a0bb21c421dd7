/** Paging and sorting of the short lists (settings), as react-admin asks for them. */
import { z } from "zod";

export const listQuery = z.object({
  page: z.coerce.number().int().min(1).default(1),
  perPage: z.coerce.number().int().min(1).max(1000).default(100),
  sort: z.string().max(50).optional(),
  order: z.enum(["asc", "desc"]).default("asc"),
  q: z.string().max(200).optional().describe("occurs in any text of the item"),
});
export type ListQuery = z.infer<typeof listQuery>;

/** @returns the page that is asked for, and how many items there are in all */
export function pageOf<T extends object>(items: readonly T[], query: ListQuery): { data: T[]; total: number } {
  const wanted = query.q?.toLowerCase();
  let found = items.filter(
    (item) =>
      wanted === undefined || Object.values(item).some((value) => typeof value === "string" && value.toLowerCase().includes(wanted)),
  );
  const { sort } = query;
  if (sort !== undefined && items[0] !== undefined && Object.hasOwn(items[0], sort)) {
    const sign = query.order === "desc" ? -1 : 1;
    const textOf = (item: T) => String((item as Record<string, unknown>)[sort] ?? "");
    found = found.toSorted((a, b) => sign * textOf(a).localeCompare(textOf(b), "en", { numeric: true }));
  }
  const from = (query.page - 1) * query.perPage;
  return { data: found.slice(from, from + query.perPage), total: found.length };
}
