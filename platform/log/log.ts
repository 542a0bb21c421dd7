/** Structured log. Messages are static; what varies goes into fields. Words spoken and phone numbers are never fields. */
import { pino } from "pino";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  child(fields: LogFields): Log;
}

/** Field names that are blanked wherever they stand, up to three objects deep. */
const secretFields = [
  "password",
  "token",
  "secret",
  "authorization",
  "cookie",
  "apiKey",
  "api_key",
  "key",
  "text",
  "words",
  "transcript",
  "phone",
  "caller",
  "callee",
  "address",
  "aor",
  "from",
  "to",
  "digit",
  "digits",
  "email",
];

export type LogOptions = {
  level: "debug" | "info" | "warn" | "error" | "silent";
  pretty?: boolean;
  destination?: { write(line: string): void };
};

/** @returns the root log; `err` fields are serialised with stack and cause */
export function createLog(options: LogOptions): Log {
  const paths = secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths, censor: "***" },
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ fd: 1, sync: false, minLength: 0 }),
  );
}

/** Swallows everything; for tests that do not look at the log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog };
