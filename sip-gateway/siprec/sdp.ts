/** Session descriptions (RFC 8866), as far as a recording session needs them. */
import { isIP } from "node:net";

export type Direction = "sendrecv" | "sendonly" | "recvonly" | "inactive";
export type CryptoLine = { readonly tag: string; readonly suite: string; readonly key: string };

export type MediaDescription = {
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  /** Its own c= or the session's; undefined where neither stands. */
  readonly address: string | undefined;
  readonly direction: Direction;
  readonly label: string | undefined;
  /** From a=rtcp; undefined = RTP port + 1. */
  readonly rtcpPort: number | undefined;
  readonly rtcpMux: boolean;
  readonly ptimeMs: number | undefined;
  readonly rtpmaps: ReadonlyMap<number, string>;
  readonly fmtp: ReadonlyMap<number, string>;
  readonly crypto: readonly CryptoLine[];
};
export type SessionDescription = { readonly media: readonly MediaDescription[] };

type Draft = { -readonly [K in keyof MediaDescription]: MediaDescription[K] } & {
  rtpmaps: Map<number, string>;
  fmtp: Map<number, string>;
  crypto: CryptoLine[];
};

const directions = new Set<string>(["sendrecv", "sendonly", "recvonly", "inactive"]);

/** @returns a fault in words, where it is not a usable session description */
export function readSdp(text: string, maxMediaLines: number): SessionDescription | { fault: string } {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines[0]?.trim() !== "v=0") return { fault: "SDP Without v=0" };
  const media: Draft[] = [];
  let sessionAddress: string | undefined;
  let sessionDirection: Direction = "sendrecv";
  for (const line of lines) {
    if (line.trim() === "") continue;
    if (line[1] !== "=") return { fault: "Malformed SDP Line" };
    const value = line.slice(2).trim();
    const current = media.at(-1);
    if (line[0] === "m") {
      if (media.length >= maxMediaLines) return { fault: "Too Many Media Lines" };
      const draft = readMediaLine(value, sessionAddress, sessionDirection);
      if (draft === undefined) return { fault: "Malformed Media Line" };
      media.push(draft);
    } else if (line[0] === "c") {
      const address = /^IN IP[46] ([^\s/]+)/i.exec(value)?.[1];
      if (address === undefined) return { fault: "Malformed Connection Line" };
      if (current === undefined) sessionAddress = address;
      else current.address = address;
    } else if (line[0] === "a") {
      if (directions.has(value)) {
        if (current === undefined) sessionDirection = value as Direction;
        else current.direction = value as Direction;
      } else if (current !== undefined) readAttribute(current, value);
    }
  }
  if (media.length === 0) return { fault: "SDP Without Media Line" };
  return { media };
}

function readMediaLine(value: string, address: string | undefined, direction: Direction): Draft | undefined {
  const match = /^(\S{1,32}) (\d{1,5})(?:\/\d+)? (\S{1,64})((?: \S+)*)$/.exec(value.replace(/\s+/g, " "));
  if (match === null || Number(match[2]) > 65_535) return undefined;
  return {
    kind: match[1]!.toLowerCase(),
    port: Number(match[2]),
    protocol: match[3]!.toUpperCase(),
    formats: match[4]!.trim() === "" ? [] : match[4]!.trim().split(" ").slice(0, 64),
    address,
    direction,
    label: undefined,
    rtcpPort: undefined,
    rtcpMux: false,
    ptimeMs: undefined,
    rtpmaps: new Map(),
    fmtp: new Map(),
    crypto: [],
  };
}

function readAttribute(media: Draft, attribute: string): void {
  const colon = attribute.indexOf(":");
  const name = (colon === -1 ? attribute : attribute.slice(0, colon)).toLowerCase();
  const value = colon === -1 ? "" : attribute.slice(colon + 1).trim();
  switch (name) {
    case "label":
      media.label = value.slice(0, 128);
      return;
    case "rtcp": {
      const port = Number(/^\d+/.exec(value)?.[0] ?? Number.NaN);
      if (port > 0 && port <= 65_535) media.rtcpPort = port;
      return;
    }
    case "rtcp-mux":
      media.rtcpMux = true;
      return;
    case "ptime": {
      const ptime = Number(value);
      if (ptime >= 1 && ptime <= 200) media.ptimeMs = ptime;
      return;
    }
    case "rtpmap":
    case "fmtp": {
      const match = /^(\d{1,3})\s+(.+)$/.exec(value);
      if (match !== null && Number(match[1]) <= 127)
        (name === "rtpmap" ? media.rtpmaps : media.fmtp).set(Number(match[1]), match[2]!.slice(0, 256));
      return;
    }
    case "crypto": {
      const match = /^(\d{1,9})\s+(\S+)\s+inline:([A-Za-z0-9+/=]+)/.exec(value);
      if (match !== null && media.crypto.length < 16) media.crypto.push({ tag: match[1]!, suite: match[2]!, key: match[3]! });
      return;
    }
  }
}

/** A usable unicast address; 0.0.0.0 and :: are the old way to say "hold" (RFC 3264 8.4) and give none. */
export function unicastAddress(address: string | undefined): string | undefined {
  if (address === undefined || isIP(address) === 0 || address === "0.0.0.0" || address === "::") return undefined;
  return address;
}

/** The frame of a description of ours; `mediaLines` are complete lines. */
export function writeSdp(address: string, sessionId: number, version: number, mediaLines: readonly string[]): string {
  const family = address.includes(":") ? "IP6" : "IP4";
  const head = ["v=0", `o=earshot ${sessionId} ${version} IN ${family} ${address}`, "s=recording", `c=IN ${family} ${address}`, "t=0 0"];
  return `${[...head, ...mediaLines].join("\r\n")}\r\n`;
}
