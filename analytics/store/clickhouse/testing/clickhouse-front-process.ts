/** The process behind clickhouse-front.ts. https://clickhouse.com/docs/interfaces/http */
import { randomUUID } from "node:crypto";
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { asSingle, clusterConfig, type FrontCluster } from "./cluster-statements.ts";

type Session = { query(sql: string): string; queryAsync(sql: string): Promise<{ text(): string }>; close(): void };
const { Session: ChdbSession } = createRequire(import.meta.url)("chdb") as { Session: new (path: string, options?: object) => Session };

const { FRONT_DIRECTORY = "", FRONT_PORT = "0", FRONT_USER = "", FRONT_PASSWORD = "" } = process.env;
/** Of an older server: the version it says it is, and names it does not know. */
const { FRONT_VERSION = "", FRONT_UNKNOWN = "" } = process.env;
const unknown = FRONT_UNKNOWN.split(",").filter((name) => name !== "");

/** Of a replica of a cluster: what the engine is told of it, and the rules that statements are held to. */
const cluster = process.env.FRONT_CLUSTER === undefined ? undefined : (JSON.parse(process.env.FRONT_CLUSTER) as FrontCluster);
const configFile = join(FRONT_DIRECTORY, "front-config.xml");

function asOlder(sql: string): string {
  for (const name of unknown)
    if (new RegExp(`\\b${name}\\b`).test(sql))
      throw new Error(`Code: 46. DB::Exception: Function, setting or index '${name}' does not exist. (UNKNOWN_FUNCTION)`);
  const known = sql.replace(
    /\bFROM (system\.(?:functions|settings|merge_tree_settings)) WHERE/g,
    `FROM $1 WHERE name NOT IN (${["''", ...unknown.map(literal)].join(", ")}) AND`,
  );
  return FRONT_VERSION === "" ? known : known.replace(/\bversion\(\)/g, literal(FRONT_VERSION));
}

const incoming = join(FRONT_DIRECTORY, "front-incoming");
mkdirSync(incoming, { recursive: true });

if (cluster !== undefined) writeFileSync(configFile, clusterConfig(cluster));
const newSession = () => new ChdbSession(FRONT_DIRECTORY, cluster === undefined ? {} : { connectionArgs: [`--config-file=${configFile}`] });
/** Answers what is asked beside the statements of clients. */
const own = newSession();

/** Sessions that rest, by the settings they were given: a setting stays with its session. */
const resting = new Map<string, Session[]>();
const all = new Set<Session>([own]);
/** Parameters of a request that are no settings. */
const known = new Set(["query", "database", "query_id", "session_id", "default_format", "wait_end_of_query", "role"]);

/** A table of which the next insert is stored and not answered: who sent it never learns of it. */
let holdsInsertInto: string | undefined;
process.on("message", (table: string) => {
  holdsInsertInto = table;
});

const literal = (value: string) => `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\0", "\\0")}'`;

function sessionFor(url: URL): { session: Session; key: string } {
  const settings = [...url.searchParams].filter(([name]) => !known.has(name) && !name.startsWith("param_"));
  const database = databaseOf(url);
  const key = JSON.stringify([database, settings]);
  const session = resting.get(key)?.pop() ?? newSession();
  if (!all.has(session)) {
    all.add(session);
    // Parameters are statements here, and addresses at a server.
    session.query("SET max_query_size = 16777216");
    session.query(`USE \`${database}\``);
    for (const [name, value] of settings) {
      if (!/^\w+$/.test(name)) throw new Error(`Code: 115. DB::Exception: Unknown setting '${name}'. (UNKNOWN_SETTING)`);
      session.query(`SET ${name} = ${literal(value)}`);
    }
  }
  return { session, key };
}

const databaseOf = (url: URL) => (url.searchParams.get("database") ?? "default").replace(/\W/g, "_");

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://front");
  const queryId = url.searchParams.get("query_id") ?? randomUUID();
  response.setHeader("X-ClickHouse-Query-Id", queryId);
  response.setHeader("X-ClickHouse-Server-Display-Name", "chdb-front");
  if (url.pathname === "/ping") return void response.end("Ok.\n");
  if (!isAllowed(request)) return fail(response, `Code: 516. DB::Exception: ${FRONT_USER}: Authentication failed. (AUTHENTICATION_FAILED)`);
  if (own.query(`EXISTS DATABASE \`${databaseOf(url)}\``).trim() !== "1")
    return fail(response, `Code: 81. DB::Exception: Database ${databaseOf(url)} does not exist. (UNKNOWN_DATABASE)`);
  const { session, key } = sessionFor(url);
  const file = join(incoming, `${randomUUID()}.data`);
  try {
    for (const [name, value] of url.searchParams) if (/^param_\w+$/.test(name)) session.query(`SET ${name} = ${literal(value)}`);
    const inUrl = url.searchParams.get("query");
    const insert = /^\s*(INSERT\s+INTO\s+\w+\s*\(([^)]*)\))\s*FORMAT\s+(\w+)\s*$/i.exec(inUrl ?? "");
    let sql: string;
    if (insert !== null) {
      // Data in the body: whole, or nothing of it.
      await pipeline(request, createWriteStream(file));
      if (!request.complete) return;
      sql = `${insert[1]} SELECT ${insert[2]} FROM file('${file}', ${insert[3]})`;
    } else sql = `${inUrl ?? ""}\n${await text(request)}`.trim();
    const single = cluster === undefined ? sql : asSingle(sql, url.searchParams, cluster);
    const result = (await session.queryAsync(asOlder(single))).text();
    if (holdsInsertInto !== undefined && new RegExp(`^INSERT\\s+INTO\\s+${holdsInsertInto}\\b`, "i").test(sql)) {
      holdsInsertInto = undefined;
      process.send?.("held");
      return;
    }
    response.setHeader("X-ClickHouse-Summary", JSON.stringify({ read_rows: "0", read_bytes: "0", written_rows: "0", written_bytes: "0" }));
    const format = /\bFORMAT\s+(\w+)\s*$/i.exec(sql)?.[1] ?? "TabSeparated";
    response.setHeader("X-ClickHouse-Format", format);
    response.setHeader("Content-Type", format.startsWith("JSON") ? "application/x-ndjson; charset=UTF-8" : "text/plain; charset=UTF-8");
    response.end(result);
  } catch (error) {
    fail(response, error instanceof Error ? error.message : String(error));
  } finally {
    rmSync(file, { force: true });
    resting.set(key, [...(resting.get(key) ?? []), session]);
  }
}

function isAllowed(request: IncomingMessage): boolean {
  const basic = /^Basic (.*)$/.exec(request.headers.authorization ?? "")?.[1];
  const [user, password] =
    basic === undefined
      ? [request.headers["x-clickhouse-user"], request.headers["x-clickhouse-key"]]
      : Buffer.from(basic, "base64").toString().split(":", 2);
  return user === FRONT_USER && password === FRONT_PASSWORD;
}

/** The statuses a server gives: https://clickhouse.com/docs/interfaces/http#http_response_codes_caveats */
const statuses: Readonly<Record<string, number>> = { 516: 401, 497: 403, 60: 404, 81: 404, 36: 400, 62: 400, 159: 408, 241: 500 };

function fail(response: ServerResponse, message: string): void {
  const code = /Code: (\d+)/.exec(message)?.[1] ?? "1002";
  response.writeHead(statuses[code] ?? 500, { "X-ClickHouse-Exception-Code": code, "Content-Type": "text/plain; charset=UTF-8" });
  // As a server ends it: the client takes number and name from this text.
  response.end(
    message.startsWith("Code:") ? `${message} (version chdb)\n` : `Code: ${code}. DB::Exception: ${message} (UNKNOWN_EXCEPTION)\n`,
  );
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => fail(response, String(error)));
});
server.keepAliveTimeout = 10_000;
server.listen(Number(FRONT_PORT), "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(address.port);
});
process.once("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
  for (const session of all) session.close();
  process.exit(0);
});
