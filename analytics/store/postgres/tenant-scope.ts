/** The one way to the tables: a transaction that carries its tenant, as the role that row-level security binds. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import type { ClientBase, Pool, QueryResultRow } from "pg";

/**
 * Runs `work` in one transaction in which only the tenant's rows exist, whatever its SQL says.
 * @throws EarshotError as `work` does; unavailable, timeout or conflict for what PostgreSQL reports
 */
export async function withTenant<T>(pool: Pool, tenant: TenantId, work: (db: ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw translate(error);
  });
  let broken: Error | undefined;
  try {
    // The role too: whatever was left on the connection, this transaction is bound by row-level security.
    await client.query("begin; set local role earshot_app");
    await client.query("select set_config('app.tenant_id', $1, true)", [tenant]);
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    const translated = translate(error);
    // On a connection that is lost, or hangs, a rollback would only be waited for.
    if (translated instanceof EarshotError && translated.code === "database_unavailable") broken = translated;
    else
      await client.query("rollback").catch((failure: Error) => {
        broken = failure;
      });
    throw translated;
  } finally {
    client.release(broken);
  }
}

/** The look-up path, before the tenant is known: only the functions of the earshot schema that say who someone is. */
export async function lookUp<R extends QueryResultRow>(pool: Pool, call: string, values: unknown[]): Promise<R[]> {
  try {
    return (await pool.query<R>(`select * from earshot.${call}`, values)).rows;
  } catch (error) {
    throw translate(error);
  }
}

/**
 * Runs `work` while no other process holds the same lock; `work` uses connections of its own.
 * @throws EarshotError as `work` does; timeout where the other one is not done within the query timeout
 */
export async function holdingLock<T>(pool: Pool, lockKey: number, work: () => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw translate(error);
  });
  try {
    await client.query("select pg_advisory_lock($1)", [lockKey]).catch((error: unknown) => {
      throw translate(error);
    });
    return await work();
  } finally {
    // The lock goes with the connection, whatever state that is in.
    client.release(true);
  }
}

/** PostgreSQL's SQLSTATE to the error table. */
function translate(error: unknown): unknown {
  if (error instanceof EarshotError) return error;
  const { code = "", message = "", constraint } = error as { code?: string; message?: string; constraint?: string };
  if (code === "23505")
    return new EarshotError("conflict", "already_exists", "There is one like that already.", {
      remedy: "Change the existing one, or choose another name or number.",
      details: { constraint },
      cause: error,
    });
  if (code === "23503") return new EarshotError("not_found", "parent_missing", "What this belongs to does not exist.", { cause: error });
  if (code === "22021" || code === "22P05")
    return new EarshotError("invalid_request", "text_not_storable", "A text contains a character that cannot be stored.", { cause: error });
  if (code === "57014") return new EarshotError("timeout", "database_slow", "The database took too long.", { cause: error });
  // Classes 08, 53 and 57P: connection, resources, shutdown; 28: a password that was changed; 25P03, 25006: cut off, or a stand-by now.
  const connection =
    /^(08|28|53|57P|25P03|25006)/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/.test(code) ||
    /timeout|terminated|closed|not queryable|pool/i.test(message);
  if (connection)
    return new EarshotError("unavailable", "database_unavailable", "The relational database does not answer.", {
      remedy: "Try again in a moment; if it stays so, look at the PostgreSQL server.",
      retryAfterMs: 1000,
      cause: error,
    });
  return error;
}
