/** Reads one recording metadata document (RFC 7865), in the shapes clients really send, within limits. */
import { SaxesParser } from "saxes";

export type MetadataLimits = {
  readonly maxBytes: number;
  readonly maxDepth: number;
  readonly maxElements: number;
  readonly maxParticipants: number;
};

export type ParticipantRecord = {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  /** Marked as the calling party by a vendor extension; a hint only, such data can be wrong. */
  readonly calling: boolean | undefined;
};
export type Association = {
  readonly participantId: string;
  readonly send: readonly string[];
  readonly associatedAtMs: number | undefined;
  readonly disassociatedAtMs: number | undefined;
  /** A disassociate-time stood there, readable or not. */
  readonly disassociated: boolean;
};
export type MetadataDocument = {
  readonly mode: "complete" | "partial";
  readonly participants: readonly ParticipantRecord[];
  readonly streams: readonly { readonly id: string; readonly label: string }[];
  readonly streamAssociations: readonly Association[];
  readonly sessionAssociations: readonly Association[];
  /** sipSessionID, without its remote half. */
  readonly sipSessionId: string;
  /** Leaves of vendor extensions by local name in lower case; the first of each name. */
  readonly extensions: ReadonlyMap<string, string>;
};

const maxExtensions = 64;
const maxValueChars = 512;

type Open = { local: string; extension: boolean; text: string; attributes: Readonly<Record<string, string>>; children: number };

/**
 * @returns the document, or the fault in words. DOCTYPE is refused, entities other than XML's five are unknown: nothing expands.
 */
export function readMetadata(xml: string, limits: MetadataLimits): MetadataDocument | { fault: string } {
  if (xml.length > limits.maxBytes) return { fault: "metadata too large" };
  const reader = new DocumentReader(limits);
  const parser = new SaxesParser({ xmlns: false, position: false });
  parser.on("doctype", () => {
    throw new MetadataFault("metadata with a DOCTYPE");
  });
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", (tag) => reader.open(tag.name, tag.attributes as Record<string, string>));
  parser.on("text", (text) => reader.text(text));
  parser.on("cdata", (text) => reader.text(text));
  parser.on("closetag", () => reader.close());
  try {
    parser.write(xml.replace(/^\uFEFF?\s+/, "")).close();
  } catch (error) {
    return { fault: error instanceof MetadataFault ? error.message : "metadata is not well-formed XML" };
  }
  return reader.finish();
}

class MetadataFault extends Error {}

class DocumentReader {
  readonly #limits: MetadataLimits;
  readonly #stack: Open[] = [];
  readonly #recordingPrefixes = new Set<string>([""]);
  #elements = 0;
  #rootSeen = false;
  #mode: "complete" | "partial" = "complete";
  readonly #participants: (ParticipantRecord & { send: string[] })[] = [];
  readonly #streams: { id: string; label: string }[] = [];
  readonly #streamAssociations: Association[] = [];
  readonly #sessionAssociations: Association[] = [];
  readonly #extensions = new Map<string, string>();
  #sipSessionId = "";
  #participant = { id: "", name: "", address: "", calling: undefined as boolean | undefined, send: [] as string[] };
  #stream = { id: "", label: "" };
  #association = newAssociation("");

  constructor(limits: MetadataLimits) {
    this.#limits = limits;
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    if (++this.#elements > this.#limits.maxElements) throw new MetadataFault("metadata with too many elements");
    if (this.#stack.length >= this.#limits.maxDepth) throw new MetadataFault("metadata nested too deep");
    const colon = name.indexOf(":");
    const prefix = colon === -1 ? "" : name.slice(0, colon);
    const local = (colon === -1 ? name : name.slice(colon + 1)).toLowerCase();
    const parent = this.#stack.at(-1);
    if (parent === undefined) this.#readRoot(prefix, local, attributes);
    if (parent !== undefined) parent.children++;
    const foreign = attributes.xmlns !== undefined && !isRecordingNamespace(attributes.xmlns);
    const extension = parent?.extension === true || foreign || local === "extensiondata" || !this.#recordingPrefixes.has(prefix);
    this.#stack.push({ local, extension, text: "", attributes, children: 0 });
    if (extension) return;
    if (local === "participant")
      this.#participant = { id: idOf(attributes, "participant_id"), name: "", address: "", calling: undefined, send: [] };
    else if (local === "nameid" && parent?.local === "participant")
      this.#participant.address = bounded(attributes.aor ?? attributes.AOR ?? "");
    else if (local === "stream" && parent?.local !== "participant") this.#stream = { id: idOf(attributes, "stream_id"), label: "" };
    else if (local === "participantstreamassoc" || local === "participantsessionassoc")
      this.#association = newAssociation(idOf(attributes, "participant_id"));
  }

  text(text: string): void {
    const top = this.#stack.at(-1);
    if (top !== undefined && top.text.length < maxValueChars) top.text += text;
  }

  close(): void {
    const closed = this.#stack.pop();
    if (closed === undefined) return;
    const value = bounded(closed.text.trim());
    if (closed.extension) this.#closeExtension(closed, value);
    else this.#closeKnown(closed.local, value, this.#stack.at(-1)?.local ?? "");
  }

  finish(): MetadataDocument | { fault: string } {
    if (!this.#rootSeen) return { fault: "metadata without a recording element" };
    // Older shapes write `send` inside the participant instead of an association.
    const inner = this.#participants
      .filter((participant) => participant.send.length > 0)
      .map((participant) => ({ ...newAssociation(participant.id), send: participant.send }));
    return {
      mode: this.#mode,
      participants: this.#participants,
      streams: this.#streams,
      streamAssociations: [...inner, ...this.#streamAssociations],
      sessionAssociations: this.#sessionAssociations,
      sipSessionId: this.#sipSessionId,
      extensions: this.#extensions,
    };
  }

  #readRoot(prefix: string, local: string, attributes: Readonly<Record<string, string>>): void {
    if (local !== "recording") throw new MetadataFault("metadata without a recording element");
    this.#rootSeen = true;
    this.#recordingPrefixes.add(prefix);
    for (const [name, value] of Object.entries(attributes))
      if (name.startsWith("xmlns:") && isRecordingNamespace(value)) this.#recordingPrefixes.add(name.slice(6));
  }

  #closeExtension(closed: Open, value: string): void {
    if (closed.children > 0 || value === "") return;
    if (closed.local === "callingparty" && this.#stack.some((open) => open.local === "participant"))
      this.#participant.calling = value.toLowerCase() === "true";
    if (this.#extensions.size < maxExtensions && !this.#extensions.has(closed.local)) this.#extensions.set(closed.local, value);
  }

  #closeKnown(local: string, value: string, parent: string): void {
    switch (local) {
      case "datamode":
        this.#mode = value.toLowerCase() === "partial" ? "partial" : "complete";
        return;
      case "sipsessionid":
        this.#sipSessionId ||= value.split(";", 1)[0]!;
        return;
      case "name":
        if (parent === "nameid" || parent === "participant") this.#participant.name ||= value;
        return;
      case "aor":
        if (parent === "participant" || parent === "nameid") this.#participant.address ||= value;
        return;
      case "participant":
        if (this.#participant.id !== "" && this.#participants.length < this.#limits.maxParticipants)
          this.#participants.push(this.#participant);
        return;
      case "label":
        this.#stream.label ||= value;
        return;
      case "stream":
        if (parent !== "participant" && this.#stream.id !== "" && this.#streams.length < 256) this.#streams.push(this.#stream);
        return;
      case "send":
        if (value === "") return;
        if (parent === "participant") this.#participant.send.push(value);
        else if (this.#association.send.length < 64) this.#association.send.push(value);
        return;
      case "associate-time":
        this.#association.associatedAtMs = readTime(value);
        return;
      case "disassociate-time":
        this.#association.disassociated = true;
        this.#association.disassociatedAtMs = readTime(value);
        return;
      case "participantstreamassoc":
        if (this.#streamAssociations.length < 256) this.#streamAssociations.push(this.#association);
        return;
      case "participantsessionassoc":
        if (this.#sessionAssociations.length < 256) this.#sessionAssociations.push(this.#association);
        return;
    }
  }
}

function newAssociation(participantId: string) {
  return {
    participantId,
    send: [] as string[],
    associatedAtMs: undefined as number | undefined,
    disassociatedAtMs: undefined as number | undefined,
    disassociated: false,
  };
}

const bounded = (text: string): string => text.slice(0, maxValueChars);
const idOf = (attributes: Readonly<Record<string, string>>, name: string): string =>
  bounded(attributes[name] ?? attributes.id ?? "").trim();

/** `urn:ietf:params:xml:ns:recording:1` and what drafts called it. */
function isRecordingNamespace(namespace: string): boolean {
  return /^urn:ietf:params:xml:ns:(recording(:\d+)?|siprec(:\d+)?)$/i.test(namespace.trim());
}

/** Unix milliseconds of an RFC 3339 time; offsets without colon (`+0000`) are read too, a time without any offset is not guessed at. */
export function readTime(text: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d+)?\s*(?:([Zz])|([+-]\d{2}):?(\d{2}))$/.exec(text.trim());
  if (match === null) return undefined;
  const [, date, time, fraction = "", , hours, minutes] = match;
  const parsed = Date.parse(`${date}T${time}${fraction.slice(0, 4)}${hours === undefined ? "Z" : `${hours}:${minutes}`}`);
  return Number.isNaN(parsed) ? undefined : parsed;
}
