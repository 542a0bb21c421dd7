/** The part of `pg` that is used here; the package ships no types of its own. */
declare module "pg" {
  export type QueryResult<R> = { rows: R[]; rowCount: number | null };
  export type ConnectionOptions = {
    connectionString?: string;
    host?: string;
    port?: number;
    user?: string;
    password?: string;
    database?: string;
    options?: string;
    application_name?: string;
    statement_timeout?: number;
    connectionTimeoutMillis?: number;
  };
  export interface Queryable {
    // biome-ignore lint/suspicious/noExplicitAny: rows are typed by the caller
    query<R = any>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>;
  }
  export class Client implements Queryable {
    constructor(options: ConnectionOptions);
    connect(): Promise<void>;
    end(): Promise<void>;
    on(event: "error", listener: (error: Error) => void): this;
    // biome-ignore lint/suspicious/noExplicitAny: rows are typed by the caller
    query<R = any>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>;
  }
  export interface PoolClient extends Queryable {
    release(error?: Error | boolean): void;
  }
  export class Pool implements Queryable {
    constructor(options: ConnectionOptions & { max?: number; idleTimeoutMillis?: number });
    readonly ending: boolean;
    connect(): Promise<PoolClient>;
    end(): Promise<void>;
    on(event: "error", listener: (error: Error) => void): this;
    // biome-ignore lint/suspicious/noExplicitAny: rows are typed by the caller
    query<R = any>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>;
  }
  const pg: { Client: typeof Client; Pool: typeof Pool };
  export default pg;
}
