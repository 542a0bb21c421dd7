/** One way to the REST API: JSON in, JSON out, and failures that say what failed and what to do. */

/** A refused or failed request. `message` says what failed, `remedy` what to do; `status` 0 = the server was not reached. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly status: number;
  readonly code: string;
  readonly remedy: string;
  readonly details: unknown;
  /** react-admin reads field errors and messages from here. */
  readonly body: { message: string; remedy: string };

  constructor(status: number, code: string, message: string, remedy: string, details?: unknown) {
    super(message);
    this.status = status;
    this.code = code;
    this.remedy = remedy;
    this.details = details;
    this.body = { message, remedy };
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string; remedy?: string; details?: unknown };
}

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  /** Sent as it is, with this content type, instead of `body` as JSON. */
  text?: { type: string; content: string };
  query?: Record<string, string | number | boolean | undefined | null>;
  signal?: AbortSignal;
}

export function withQuery(path: string, query: RequestOptions["query"]): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  const text = search.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Sends one request to `/api/v1` + `path`. Throws {@link ApiFailure}; answers undefined where the server sent no body. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  let body: string | undefined;
  if (options.text !== undefined) {
    headers["content-type"] = options.text.type;
    body = options.text.content;
  } else if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(`/api/v1${withQuery(path, options.query)}`, {
      method: options.method ?? "GET",
      headers,
      body: body ?? null,
      credentials: "same-origin",
      signal: options.signal ?? null,
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiFailure(
      0,
      "unreachable",
      "Earshot could not be reached.",
      "Check that it is running and that this machine has a connection, then try again.",
    );
  }
  const text = await response.text();
  const json: unknown = text === "" ? undefined : parse(text);
  if (response.ok) return json as T;
  const error = (json as ErrorBody | undefined)?.error;
  throw new ApiFailure(
    response.status,
    error?.code ?? `http_${response.status}`,
    error?.message ?? `The server answered ${response.status} ${response.statusText}`.trim(),
    error?.remedy ?? "Try again; if it stays so, look into Earshot's log.",
    error?.details,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
