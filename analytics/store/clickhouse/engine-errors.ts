/** What the engine answers, as errors of ours. */
import { EarshotError } from "@earshot/proto/errors.ts";

/** Engine failures by ClickHouse's error number: https://clickhouse.com/docs/interfaces/http#error-codes (stable numbers). */
export async function mapped<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const code = Number((cause as { code?: unknown }).code);
    const message = cause instanceof Error ? cause.message.slice(0, 500) : String(cause);
    if (code === 159 || code === 160)
      throw new EarshotError("timeout", "column_store_timeout", "The query took longer than it may.", {
        remedy: "Narrow the time range or the filters; or raise EARSHOT_COLUMN_STORE_QUERY_SECONDS.",
        cause,
      });
    if (code === 241)
      throw new EarshotError("unavailable", "column_store_memory", "The query needs more memory than it may use.", {
        remedy: "Narrow the time range; or raise EARSHOT_COLUMN_STORE_QUERY_MIB.",
        cause,
      });
    if (code === 516 || code === 192 || code === 193 || code === 194 || code === 497)
      throw new EarshotError("unavailable", "column_store_access", "The column store does not admit this user.", {
        remedy: "Check user and password in EARSHOT_COLUMN_STORE, and that the user may read, write and make tables in the database.",
        cause,
      });
    if (code === 81)
      throw new EarshotError("unavailable", "column_store_database", "The column store has no such database.", {
        remedy: "Check the database in EARSHOT_COLUMN_STORE (after the last slash), or make it: CREATE DATABASE on the server.",
        cause,
      });
    if (code === 285 || code === 286 || code === 319)
      throw new EarshotError("unavailable", "column_store_quorum", `Too few replicas of the column store took an insert: ${message}`, {
        remedy: "Start the replicas that are away; or lower EARSHOT_COLUMN_STORE_QUORUM where one copy is enough for you.",
        cause,
      });
    if (code === 242 || code === 225 || code === 999)
      throw new EarshotError("unavailable", "column_store_read_only", `The column store's replica does not reach its keeper: ${message}`, {
        remedy: "Look at ClickHouse Keeper (or ZooKeeper), and at system.replicas of the server.",
        cause,
      });
    const errno = String((cause as { code?: unknown }).code);
    if (/^E(CONN|NOTFOUND|TIMEDOUT|PIPE|HOST|NET|AI_)/.test(errno) || (Number.isNaN(code) && /timeout|socket hang up/i.test(message)))
      throw new EarshotError("unavailable", "column_store_unreachable", `The column store does not answer: ${message}`, {
        remedy: "Is it running? Check host and port (8123, with TLS 8443) in EARSHOT_COLUMN_STORE.",
        cause,
      });
    // Syntax, unknown identifier, table, function, type mismatch, bad parameter: ours to repair, retrying changes nothing.
    if ([36, 43, 46, 47, 53, 60, 62, 456, 457].includes(code))
      throw new EarshotError("bug", "column_store_statement", `A statement of the column store is wrong: ${message}`, { cause });
    throw new EarshotError("unavailable", "column_store_failed", `The column store failed: ${message}`, {
      remedy: "Look at the free disk space and the store's own log.",
      cause,
    });
  }
}
