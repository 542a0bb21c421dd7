/**
 * The migrations as an engine older than 26.7 takes them. Derived from the same files, so that there is one schema: what differs is how
 * `calls` finds words (a bloom filter of them), and that charts and menus read its columns, without projections.
 */

/** Ten bits and more for each of the words that 512 calls say. https://clickhouse.com/docs/optimize/skipping-indexes#bloom-filter-types */
const bloomFilter = "INDEX words lowerUTF8(said) TYPE tokenbf_v1(32768, 4, 0) GRANULARITY 1";

/** @param statement of a migration @returns it for an older engine; undefined where that needs nothing of the kind */
export function olderStatement(statement: string): string | undefined {
  if (/^ALTER TABLE calls (MODIFY SETTING materialize_projections_on_insert|(DROP|ADD|MATERIALIZE) INDEX|REWRITE PARTS)\b/.test(statement))
    return undefined;
  if (!/^CREATE TABLE IF NOT EXISTS calls\s/.test(statement)) return statement;
  return statement
    .replace(/INDEX words said TYPE text\([^\n]*\)(?=,\n)/, bloomFilter)
    .replace(/,\s*PROJECTION per_quarter\b.*(?=\n\)\s*ENGINE = )/s, "")
    .replace(/,\s*allow_experimental_text_index_phrase_search = 1/, "")
    .replace(/,\s*lightweight_mutation_projection_mode = 'rebuild'/, "");
}
