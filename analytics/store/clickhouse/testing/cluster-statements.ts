/**
 * A replica of a cluster, played to its clients by an engine that has neither replication nor a thread for ON CLUSTER: statements are held to
 * what a server takes and replication needs, then run as those of one server. `system.clusters`, `system.macros` and `getMacro` are the engine's own.
 */
export type FrontCluster = {
  readonly name: string;
  /** Its macro {replica}. */
  readonly replica: string;
  /** How many the cluster's definition names. */
  readonly replicas: number;
  /** How many of these have the tables, and how many of those are up. */
  readonly registered?: number;
  readonly active?: number;
  /**
   * A real keeper's port on loopback: tables then keep their replicated engines, and the engine enters them there. It cannot fill them: it has
   * no port at which other replicas fetch from it, and without one holds every replicated table read-only.
   */
  readonly keeperPort?: number;
  /** What its configuration lacks. */
  readonly lacks?: "macros" | "keeper";
};

/** As of a server's config.xml. */
export function clusterConfig({ name, replica, replicas, lacks, keeperPort }: FrontCluster): string {
  const hosts = Array.from({ length: replicas }, (_, i) => `<replica><host>127.0.0.${i + 1}</host><port>9000</port></replica>`);
  const macros = lacks === "macros" ? "" : `<macros><shard>01</shard><replica>${replica}</replica></macros>`;
  const keeper = keeperPort === undefined ? "" : `<zookeeper><node><host>127.0.0.1</host><port>${keeperPort}</port></node></zookeeper>`;
  return `<clickhouse>${keeper}${macros}<remote_servers><${name}><shard>${hosts.join("")}</shard></${name}></remote_servers></clickhouse>\n`;
}

/** What a keeper takes at once: https://zookeeper.apache.org/doc/current/zookeeperAdmin.html (jute.maxbuffer) */
const keeperBytes = 1024 * 1024 - 1;
const engine = /\bENGINE = Replicated((?:Replacing)?MergeTree)\('([^']*)', '\{replica\}'(?:, (\w+))?\)/;

/**
 * @param sql of a client @param asked the request's settings and parameters
 * @returns it for one server @throws Error as a server's where the statement would fail on a cluster, or leave replicas apart
 */
export function asSingle(sql: string, asked: URLSearchParams, cluster: FrontCluster): string {
  const { name, registered, active, replicas, lacks } = cluster;
  const onCluster = ` ON CLUSTER '${name}'`;
  if (cluster.keeperPort !== undefined) return sql.replace(onCluster, "");
  if (/^(CREATE|DROP|RENAME|ALTER)\b/i.test(sql) && !/\bAPPLY DELETED MASK$/.test(sql)) {
    if (!sql.includes(onCluster)) throw broken("a statement of the schema without ON CLUSTER makes one replica differ", sql);
    if (/^CREATE TABLE/.test(sql)) {
      if (/\bENGINE = (?!Replicated)/.test(sql)) throw broken("a table's engine replicates nothing", sql);
      if (!/replicated_deduplication_window = 0\b/.test(sql)) throw broken("rows that were deleted could not be written again", sql);
      for (const macro of ["{shard}", "{database}", "{table}"])
        if (!engine.exec(sql)?.[2]?.includes(macro)) throw broken(`two tables or shards share a path without ${macro}`, sql);
    }
    return sql.replace(onCluster, "").replace(engine, (_, made: string, _path, version?: string) => `ENGINE = ${made}(${version ?? ""})`);
  }
  if (/^(DELETE|ALTER TABLE)\b/.test(sql)) {
    // The server's own words. https://clickhouse.com/docs/operations/settings/settings#allow_nondeterministic_mutations
    if (/\bSELECT\b/.test(sql))
      throw new Error(
        "Code: 36. DB::Exception: ALTER UPDATE/ALTER DELETE statement with subquery may be nondeterministic, see allow_nondeterministic_mutations setting. (BAD_ARGUMENTS)",
      );
    const bytes = [...asked].reduce((sum, [key, value]) => sum + (key.startsWith("param_") ? Buffer.byteLength(value) : 0), sql.length);
    if (bytes > keeperBytes)
      throw new Error(`Code: 999. Coordination::Exception: Connection loss (a deletion of ${bytes} bytes). (KEEPER_EXCEPTION)`);
    if (/^DELETE/.test(sql) && asked.get("lightweight_deletes_sync") !== "1") throw broken("a deletion fails while a replica is away", sql);
    return sql;
  }
  if (/^INSERT\b/.test(sql) && asked.get("insert_quorum") === null) throw broken("an insert that one replica has is taken for stored", sql);
  const synced = /^SYSTEM SYNC REPLICA (\w+) LIGHTWEIGHT$/.exec(sql);
  if (synced !== null) return `SELECT 1 FROM ${synced[1]} LIMIT 0`;
  return sql
    .replace("FROM system.tables WHERE database = 'system' AND name = 'zookeeper'", `FROM system.one WHERE ${lacks === "keeper" ? 0 : 1}`)
    .replace(
      "FROM system.replicas",
      `FROM (SELECT database, ${registered ?? replicas} AS total_replicas, ${active ?? registered ?? replicas} AS active_replicas, ` +
        "0 AS is_readonly, 0 AS absolute_delay FROM system.tables WHERE engine LIKE '%MergeTree')",
    );
}

function broken(why: string, sql: string): Error {
  return new Error(`Code: 48. DB::Exception: On a cluster ${why}: ${sql.slice(0, 200)} (NOT_IMPLEMENTED)`);
}
