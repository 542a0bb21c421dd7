/** An address of its own for a ClickHouse front: it can be away, hears what passes, and may answer in the front's place. */
import { createServer, request as forward, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { ClickHouseFront } from "./clickhouse-front.ts";

export type FrontAnswer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
export type FrontProxy = { readonly url: string; readonly port: number; away(): void; back(): Promise<void> };

/** @param handle answers a statement; `pass` has the front do it */
export async function proxyTo(
  front: ClickHouseFront,
  handle: (sql: string, pass: () => Promise<FrontAnswer>) => FrontAnswer | Promise<FrontAnswer> = (_, pass) => pass(),
): Promise<FrontProxy> {
  const server = createServer({ maxHeaderSize: 1024 * 1024 }, async (request, response) => {
    try {
      const sent = await buffer(request);
      const pass = () =>
        new Promise<FrontAnswer>((resolve, reject) => {
          const { url: path, method, headers } = request;
          const onward = forward({ port: front.port, path, method, headers }, async (answer) =>
            resolve({ status: answer.statusCode!, headers: answer.headers, body: await buffer(answer) }),
          );
          onward.on("error", reject);
          onward.end(sent);
        });
      const sql = new URL(request.url!, "http://front").searchParams.get("query") ?? sent.toString();
      const { status, headers, body } = await handle(sql, pass);
      const { "transfer-encoding": _, ...whole } = headers;
      response.writeHead(status, whole);
      response.end(body);
    } catch {
      response.destroy();
    }
  });
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: front.url.replace(`:${front.port}/`, `:${port}/`),
    port,
    away() {
      server.closeAllConnections();
      server.close();
    },
    back: () => listen(port),
  };
}

/** @param error as a server words it: "Code: 285. DB::Exception: ..." */
export function refusal(error: string): FrontAnswer {
  return { status: 500, headers: { "x-clickhouse-exception-code": /\d+/.exec(error)![0] }, body: Buffer.from(`${error}\n`) };
}

/**
 * Two replicas of one front, of which the second lags: what is inserted through `one` is there for itself at once, and for `two` only when a
 * replica is told to catch up with the table. @param catchesUp false = a cluster whose SYNC REPLICA does nothing, to see what then goes wrong
 */
export async function laggingReplicas(front: ClickHouseFront, catchesUp = true): Promise<{ one: FrontProxy; two: FrontProxy }> {
  let held: { table: string; pass: () => Promise<FrontAnswer> }[] = [];
  const arrive = async (table?: string) => {
    const due = held.filter((insert) => table === undefined || insert.table === table);
    held = held.filter((insert) => !due.includes(insert));
    for (const { pass } of due) if ((await pass()).status !== 200) throw new Error("A held insert failed.");
  };
  const one = await proxyTo(front, async (sql, pass) => {
    const table = /^\s*INSERT INTO (\w+) /.exec(sql)?.[1];
    // Made of rows, not of another table's.
    if (table !== undefined && /\bFORMAT \w+\s*$/.test(sql)) {
      held.push({ table, pass });
      return { status: 200, headers: {}, body: Buffer.alloc(0) };
    }
    await arrive();
    return pass();
  });
  const two = await proxyTo(front, async (sql, pass) => {
    const synced = /^SYSTEM SYNC REPLICA (\w+) /.exec(sql)?.[1];
    if (synced !== undefined && catchesUp) await arrive(synced);
    return pass();
  });
  return { one, two };
}
