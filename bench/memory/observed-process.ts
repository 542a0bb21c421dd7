/**
 * `npm start` with a window into its own memory, a web server on the loopback: what only the process itself can ask of V8, of glibc and of
 * the column store's engine (`inside-figures.ts`).
 */
import { createServer } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { insideFigures } from "./inside-figures.ts";

createServer((request, response) => {
  const work = request.url === "/collect" ? collect() : insideFigures();
  work.then(
    (figures) => response.end(JSON.stringify(figures)),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
})
  .listen(Number(process.env.BENCH_FIGURES_PORT), "127.0.0.1")
  .unref();

async function collect(): Promise<{ heapUsed: number }> {
  setFlagsFromString("--expose-gc");
  const all = runInNewContext("gc") as () => void;
  all();
  // Finalisers of the first round free what the second one finds.
  await new Promise((resolve) => setImmediate(resolve));
  all();
  return { heapUsed: process.memoryUsage().heapUsed };
}

await import("@earshot/deploy/main.ts");
