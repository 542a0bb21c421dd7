/** What the demo PBX offers: SDP of two labelled streams and RFC 7865 metadata of who is on them, as one multipart body (RFC 7866 9.1). */
import { randomUUID } from "node:crypto";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { DemoCodec, Dialogue } from "./dialogue.ts";

export const payloadTypes: Record<DemoCodec, number> = { PCMU: 0, PCMA: 8, G722: 9 };
export const telephoneEventPayloadType = 101;
/** a=label of the agent's and the caller's stream. */
export const labels = ["1", "2"] as const;

export function offerBody(address: string, rtpPorts: readonly [number, number], dialogue: Dialogue): { type: string; content: string } {
  const boundary = `earshot-${randomUUID()}`;
  const content = [
    `--${boundary}`,
    "Content-Type: application/sdp",
    "",
    sdp(address, rtpPorts, dialogue.codecs),
    `--${boundary}`,
    "Content-Type: application/rs-metadata+xml",
    "Content-Disposition: recording-session",
    "",
    metadata(dialogue),
    `--${boundary}--`,
    "",
  ].join("\r\n");
  return { type: `multipart/mixed;boundary=${boundary}`, content };
}

function sdp(address: string, rtpPorts: readonly [number, number], codecs: readonly [DemoCodec, DemoCodec]): string {
  const lines = ["v=0", `o=demo-pbx ${Date.now()} 1 IN IP4 ${address}`, "s=Earshot demo call", `c=IN IP4 ${address}`, "t=0 0"];
  rtpPorts.forEach((port, i) => {
    const codec = codecs[i]!;
    lines.push(
      `m=audio ${port} RTP/AVP ${payloadTypes[codec]} ${telephoneEventPayloadType}`,
      `a=rtpmap:${payloadTypes[codec]} ${codec}/8000`,
      `a=rtpmap:${telephoneEventPayloadType} telephone-event/8000`,
      `a=fmtp:${telephoneEventPayloadType} 0-15`,
      "a=ptime:20",
      "a=sendonly",
      `a=label:${labels[i]}`,
    );
  });
  return `${lines.join("\r\n")}\r\n`;
}

const escapeXml = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? c);

function metadata(dialogue: Dialogue): string {
  const now = new Date().toISOString();
  const ids = { group: randomUUID(), session: randomUUID(), people: [randomUUID(), randomUUID()], streams: [randomUUID(), randomUUID()] };
  const people = [
    { name: dialogue.agent.name, aor: `sip:${dialogue.agent.extension}@pbx.demo.invalid` },
    { name: dialogue.caller.name, aor: `sip:${dialogue.caller.number}@trunk.demo.invalid` },
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<recording xmlns="urn:ietf:params:xml:ns:recording:1">',
    "<datamode>complete</datamode>",
    `<group group_id="${ids.group}"><associate-time>${now}</associate-time></group>`,
    `<session session_id="${ids.session}"><group-ref>${ids.group}</group-ref><sipSessionID>${ids.session}</sipSessionID><start-time>${now}</start-time></session>`,
    ...people.map(
      ({ name, aor }, i) =>
        `<participant participant_id="${ids.people[i]}"><nameID aor="${escapeXml(aor)}"><name xml:lang="en">${escapeXml(name)}</name></nameID></participant>`,
    ),
    ...ids.streams.map((id, i) => `<stream stream_id="${id}" session_id="${ids.session}"><label>${labels[i]}</label></stream>`),
    `<sessionrecordingassoc session_id="${ids.session}"><associate-time>${now}</associate-time></sessionrecordingassoc>`,
    ...ids.people.map(
      (id) =>
        `<participantsessionassoc participant_id="${id}" session_id="${ids.session}"><associate-time>${now}</associate-time></participantsessionassoc>`,
    ),
    ...ids.people.map(
      (id, i) =>
        `<participantstreamassoc participant_id="${id}"><send>${ids.streams[i]}</send><recv>${ids.streams[1 - i]}</recv></participantstreamassoc>`,
    ),
    "</recording>",
    "",
  ].join("\r\n");
}

/** Where the recorder wants each stream, from its answer. @throws EarshotError corrupt where an m-line is missing or rejected */
export function answeredPorts(answer: string, count: number): { address: string; port: number }[] {
  const session = /^c=IN IP[46] (\S+)/m.exec(answer)?.[1];
  const media = answer.split(/^m=/m).slice(1);
  if (media.length !== count)
    throw new EarshotError("corrupt", "demo_answer_unusable", `The recorder answered ${media.length} of ${count} streams.`);
  return media.map((section) => {
    const port = Number(/^audio (\d+)/.exec(section)?.[1] ?? 0);
    const address = /^c=IN IP[46] (\S+)/m.exec(section)?.[1] ?? session;
    if (port === 0 || address === undefined)
      throw new EarshotError("corrupt", "demo_stream_rejected", "The recorder rejected one of the demo call's streams.");
    return { address, port };
  });
}
