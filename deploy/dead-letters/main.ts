/** `npm run dead-letters`: the records that could not be handled, through the API of a running Earshot. */
import { parseArgs } from "node:util";
import type { DeadLetter, DeadLetterDetail } from "@earshot/proto/api/queue.ts";

const usage = `npm run dead-letters -- COMMAND
  list [--all] [--topic TOPIC]    what waits; --all: what was replayed or discarded too
  show ID                         one record, as far as it can be read
  replay ID... | replay --all [--topic TOPIC]
                                  publish records once more, when what kept them from being handled is mended
  discard ID...                   take records off the list for good
Of the environment: EARSHOT_API_KEY (or EARSHOT_ADMIN_API_KEY), a key of Settings > API keys, and EARSHOT_API_URL
(default http://127.0.0.1:8080, or with EARSHOT_HTTP_PORT).`;

/** Ends the process: what failed, in words. */
function fail(message: string, code = 1): never {
  console.error(message);
  process.exit(code);
}

const base = (process.env.EARSHOT_API_URL ?? `http://127.0.0.1:${process.env.EARSHOT_HTTP_PORT ?? 8080}`).replace(/\/+$/, "");
const key = process.env.EARSHOT_API_KEY ?? process.env.EARSHOT_ADMIN_API_KEY ?? "";

async function ask<T>(path: string, method = "GET"): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`${base}/api/v1/queue${path}`, {
      method,
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    return fail(`Nothing answers at ${base}. Is Earshot running? Its address goes into EARSHOT_API_URL.`);
  }
  const body = (await answer.json().catch(() => undefined)) as { error?: { message: string; remedy: string } } | undefined;
  if (answer.ok) return body as T;
  if (answer.status === 401)
    return fail(`${base} does not take this API key. Make one in Settings > API keys and put it into EARSHOT_API_KEY.`);
  return fail(
    [`${answer.status}: ${body?.error?.message ?? "no reason given"}`, body?.error?.remedy ?? ""].filter((line) => line !== "").join("\n"),
  );
}

/** Every page of the list. */
async function all(filter: Record<string, string>): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (let page = 1; ; page++) {
    const query = new URLSearchParams({ ...filter, page: String(page), perPage: "1000" });
    const { data, total } = await ask<{ data: DeadLetter[]; total: number }>(`?${query}`);
    letters.push(...data);
    if (data.length === 0 || letters.length >= total) return letters;
  }
}

const path = (id: string, act = "") => `/${encodeURIComponent(id)}${act}`;
const line = ({ id, at, topic, group, errorCode, key: of, state }: DeadLetter) =>
  `${at}  ${state.padEnd(9)}  ${topic} for ${group}: ${errorCode}, of ${of || "nobody"}\n    ${id}`;

function given() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { all: { type: "boolean" }, topic: { type: "string" }, help: { type: "boolean" } },
    });
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${usage}`, 2);
  }
}

const { values, positionals } = given();
const [command = "", ...ids] = positionals;
if (values.help === true) {
  console.log(usage);
  process.exit(0);
}
if (!["list", "show", "replay", "discard"].includes(command))
  fail(`${command === "" ? "What is to be done?" : `There is no command "${command}".`}\n\n${usage}`, 2);
if (key === "") fail(`No API key.\n\n${usage}`, 2);
const ofTopic: Record<string, string> = values.topic === undefined ? {} : { topic: values.topic };

if (command === "list") {
  const letters = await all(values.all === true ? ofTopic : { ...ofTopic, state: "waiting" });
  console.log(letters.length === 0 ? "Nothing waits: every record was handled." : letters.map(line).join("\n"));
} else if (command === "show") {
  const [id] = ids;
  if (id === undefined || ids.length > 1) fail(`Which one?\n\n${usage}`, 2);
  const { event, hex, message, remedy, ...letter } = await ask<DeadLetterDetail>(path(id));
  console.log(line(letter));
  for (const text of [message, remedy]) if (text !== "") console.log(text);
  console.log(event === null ? hex.replace(/(.{64})/g, "$1\n") : JSON.stringify(event, undefined, 2));
} else {
  if (ids.length === 0 && !(command === "replay" && values.all === true)) fail(`Which ones?\n\n${usage}`, 2);
  // The oldest first: records of one call keep their order.
  const chosen = ids.length > 0 ? ids : (await all({ ...ofTopic, state: "waiting" })).map(({ id }) => id).reverse();
  for (const id of chosen) console.log(line(await ask<DeadLetter>(path(id, `/${command}`), "POST")));
  console.log(`${command === "replay" ? "Replayed" : "Discarded"} ${chosen.length}. What fails again is listed anew.`);
}
