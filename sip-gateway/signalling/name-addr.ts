/**
 * From, To, Contact and their URIs, read without SIP.js' grammar: its generated parser decodes its tables anew for every header and
 * takes ten times as long as all the rest of a message.
 */
import { NameAddrHeader, URI } from "sip.js/lib/core/index.js";

/** A URI that is written as it was read. */
class VerbatimUri extends URI {
  readonly #text: string;

  constructor(scheme: string, user: string, host: string, text: string) {
    super(scheme, user, host);
    this.#text = text;
  }

  override clone(): URI {
    return this;
  }

  override toRaw(): string {
    return this.#text;
  }

  override toString(): string {
    return this.#text;
  }
}

const sipUri = /^(sips?):(?:([^@\s<>"]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?(?:[;?][^\s<>"]*)?$/i;
const otherUri = /^([a-z][a-z0-9+.-]*):[^\s<>"]+$/i;
const token = /^[\w\-.!%*+`'~]+$/;

export function readSipUri(text: string): URI | undefined {
  const sip = sipUri.exec(text);
  if (sip !== null) return new VerbatimUri(sip[1]!, sip[2] ?? "", sip[3]!, text);
  const other = otherUri.exec(text);
  return other === null || /^sips?$/i.test(other[1]!) ? undefined : new VerbatimUri(other[1]!, "", "other.invalid", text);
}

/**
 * One name-addr or addr-spec with parameters (RFC 3261 20.10), of which only `tag` is kept.
 * @returns undefined where it is malformed
 */
export function readNameAddr(value: string): NameAddrHeader | undefined {
  const rest = value.startsWith('"') ? afterQuoted(value) : value;
  if (rest === undefined) return undefined;
  const open = rest.indexOf("<");
  let uriText: string;
  let parameters: string;
  if (open === -1) {
    if (rest !== value) return undefined;
    const end = rest.search(/[;\s]/);
    uriText = end === -1 ? rest : rest.slice(0, end);
    parameters = end === -1 ? "" : rest.slice(end);
  } else {
    const close = rest.indexOf(">", open);
    if (close === -1) return undefined;
    uriText = rest.slice(open + 1, close).trim();
    parameters = rest.slice(close + 1);
  }
  const uri = readSipUri(uriText);
  if (uri === undefined || !/^\s*(;|$)/.test(parameters)) return undefined;
  const tag = /;\s*tag\s*=\s*([^;\s]*)/i.exec(parameters)?.[1];
  if (tag !== undefined && !token.test(tag)) return undefined;
  return new NameAddrHeader(uri, "", tag === undefined ? {} : { tag });
}

/** What follows a quoted string; undefined where it never ends. */
function afterQuoted(value: string): string | undefined {
  for (let i = 1; i < value.length; i++) {
    if (value[i] === "\\") i++;
    else if (value[i] === '"') return value.slice(i + 1);
  }
  return undefined;
}
