/** What the store asks of an engine, in process or a server; `openColumnStore` makes it. */
import type { InsertTarget, NativeBlock } from "./native-block.ts";

export interface ColumnStoreConnection {
  /** Its name where the tables are replicated on a cluster; undefined = one server, or in process. */
  readonly cluster: string | undefined;
  /** Grows where one replica is left for another: what was seen in an earlier term was seen on another one. */
  readonly term: number;
  /**
   * Runs reads that decide something: on a cluster, after this replica has all that any replica has acknowledged of these tables.
   * @throws EarshotError unavailable where it cannot catch up, or where another replica was turned to meanwhile
   */
  upToDate<T>(tables: readonly string[], work: () => Promise<T>): Promise<T>;
  /** Statements of our own without an answer (migrations, optimise); never text of anybody else's. */
  command(sql: string): Promise<void>;
  /** One statement of our own that changes data, with bound parameters. */
  execute(sql: string, params: Readonly<Record<string, unknown>>): Promise<void>;
  /** One SELECT with bound parameters; at most `columnStoreConnections` run at once, the others wait. */
  query<T>(sql: string, params: Readonly<Record<string, unknown>>): Promise<T[]>;
  /** Appends the writer's rows, all or none per table; resolves when they are stored. */
  insert(target: InsertTarget, rows: NativeBlock): Promise<void>;
  /** All rows of a table into a new file, in the engine's Native format. */
  exportTable(table: InsertTarget, file: string): Promise<void>;
  /** Appends the rows of such a file. */
  importTable(table: InsertTarget, file: string): Promise<void>;
  close(): Promise<void>;
}
