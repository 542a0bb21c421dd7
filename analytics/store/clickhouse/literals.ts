/**
 * Placeholders to literals, for the engine in process: there two statements with bound parameters never overlap, whatever sessions they run on
 * (npm chdb chains them, since the engine keeps parameters for the whole process). A server gets parameters beside the statement.
 */
import { EarshotError } from "@earshot/proto/errors.ts";

const placeholder = /\{(\w+):([\w()]+)\}/g;

/**
 * @param sql text of ours with `{name:Type}`; what is put in is not looked at again
 * @throws EarshotError bug where a value is missing or is not of its type
 */
export function withLiterals(sql: string, params: Readonly<Record<string, unknown>>): string {
  return sql.replace(placeholder, (_, name: string, type: string) => {
    if (!Object.hasOwn(params, name)) throw wrong(`{${name}:${type}} has no value`);
    return literal(params[name], type);
  });
}

function literal(value: unknown, type: string): string {
  if (type.startsWith("Array(")) {
    if (!Array.isArray(value)) throw wrong(`${typeof value} is no ${type}`);
    const element = type.slice("Array(".length, -1);
    return `[${value.map((each) => literal(each, element)).join(", ")}]`;
  }
  if (type === "String") {
    if (typeof value !== "string") throw wrong(`${typeof value} is no String`);
    return textLiteral(value);
  }
  const range = numberTypes[type];
  if (range === undefined) throw wrong(`${type} is no type of a parameter here`);
  if (typeof value !== "number" || !Number.isFinite(value) || value < range.min || value > range.max) throw wrong(`a value is no ${type}`);
  if (range.whole && !Number.isSafeInteger(value)) throw wrong(`a value is no whole ${type}`);
  // In brackets: after a minus of the statement another one would begin a comment.
  return value < 0 || Object.is(value, -0) ? `(${value})` : String(value);
}

/** Digits as JavaScript prints them are digits as ClickHouse reads them. */
const numberTypes: Readonly<Record<string, { min: number; max: number; whole: boolean }>> = {
  UInt32: { min: 0, max: 0xffff_ffff, whole: true },
  UInt64: { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true },
  Int64: { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, whole: true },
  Float64: { min: -Number.MAX_VALUE, max: Number.MAX_VALUE, whole: false },
};

/** Everything that could end or change a text, and everything that is no printable ASCII but below U+0080, as its code. */
function textLiteral(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is meant
  return `'${value.replace(/[\u0000-\u001f\u007f'"\\`]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`)}'`;
}

function wrong(why: string): EarshotError {
  return new EarshotError("bug", "column_store_parameter", `A statement of the column store has a wrong parameter: ${why}.`);
}
