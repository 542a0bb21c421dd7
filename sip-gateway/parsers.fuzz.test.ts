/** Every parser of what the network sends: bent valid input and random text for a bounded count. No throw, no hang, bounded results. */
import { describe, expect, test } from "vitest";
import { StreamFramer } from "./signalling/embedded/stream-framer.ts";
import { readNameAddr } from "./signalling/name-addr.ts";
import { readRawMessage } from "./signalling/raw-message.ts";
import { readUri } from "./signalling/received-message.ts";
import { splitList } from "./signalling/tokens.ts";
import { negotiate, refusal } from "./siprec/media-answer.ts";
import { readMetadata } from "./siprec/metadata-document.ts";
import { MetadataState } from "./siprec/metadata-state.ts";
import { readBody } from "./siprec/multipart.ts";
import { readSdp } from "./siprec/sdp.ts";
import { metadata, multipart, twoStreams } from "./testing/recording-client.ts";

const runs = 2000;
const alphabet = " \t\r\n;:,=<>\"'@/\\-_.+*&%!?()[]{}0123456789abcdefxyzABCÄ€\0";

/** Deterministic, so that a failure can be repeated from its seed. */
function generator(seed: number) {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const noise = (length: number): string => Array.from({ length }, () => alphabet[below(alphabet.length)]).join("");
  const bend = (text: string): string => {
    let bent = text;
    for (let edits = 1 + below(6); edits > 0; edits--) {
      const at = below(bent.length + 1);
      const span = below(12);
      const kind = below(4);
      if (kind === 0) bent = bent.slice(0, at) + bent.slice(at + span);
      else if (kind === 1) bent = bent.slice(0, at) + noise(span) + bent.slice(at);
      else if (kind === 2) bent = bent.slice(0, at) + bent.slice(at, at + span).repeat(3) + bent.slice(at + span);
      else bent = bent.slice(0, at);
    }
    return bent;
  };
  return { below, noise, bend };
}

function fuzz(seeds: readonly string[], parse: (input: string) => void): void {
  const { below, noise, bend } = generator(7);
  const began = performance.now();
  for (let run = 0; run < runs; run++) {
    const input = run % 5 === 0 ? noise(below(400)) : bend(seeds[run % seeds.length]!);
    try {
      parse(input);
    } catch (error) {
      throw new Error(`run ${run} threw on ${JSON.stringify(input)}`, { cause: error });
    }
  }
  expect(performance.now() - began).toBeLessThan(15_000);
}

const limits = { maxBytes: 65_536, maxDepth: 16, maxElements: 500, maxParticipants: 8 };
const invite = `INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h:1;branch=z9hG4bK1;rport\r\nFrom: "A \\" B" <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 4\r\n\r\nbody`;

describe("bounded results, never a throw", () => {
  test("SIP messages", () => {
    fuzz([invite], (text) => {
      const read = readRawMessage(Buffer.from(text), { maxHeaders: 50 });
      expect(read.headers.length).toBeLessThanOrEqual(50);
      for (const [, value] of read.headers) expect(value).not.toMatch(/[\r\n]/);
    });
  });

  test("SIP streams, in random pieces", () => {
    const { below } = generator(3);
    fuzz([invite + invite, `\r\n\r\n${invite}\r\n`], (text) => {
      const framer = new StreamFramer(2000);
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + below(50);
        for (const framed of framer.push(bytes.subarray(at, end)))
          if (framed.kind === "message") expect(framed.bytes.length).toBeLessThanOrEqual(2000);
        at = end;
      }
    });
  });

  test("addresses and lists", () => {
    fuzz(['"A, B" <sip:a%2b@[2001:db8::1]:5060;p=1>;tag=x', "tel:+15550100;ext=1, <sip:x@y>"], (text) => {
      readNameAddr(text);
      readUri(text);
      expect(splitList(text).join("").length).toBeLessThanOrEqual(text.length);
    });
  });

  test("multipart bodies", () => {
    const { contentType, content } = multipart([
      { type: "application/sdp", content: twoStreams() },
      { type: "application/rs-metadata", content: metadata() },
    ]);
    fuzz([content], (text) => {
      const read = readBody(contentType, undefined, text);
      if ("parts" in read) expect(read.parts.reduce((sum, part) => sum + part.content.length, 0)).toBeLessThanOrEqual(text.length);
    });
    fuzz([contentType], (type) => void readBody(type, undefined, content));
  });

  test("session descriptions, through to the answer", () => {
    const offer = `${twoStreams()}m=audio 1 RTP/SAVP 96\r\na=rtpmap:96 opus/48000/2\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${Buffer.alloc(30).toString("base64")}\r\na=rtcp:9\r\na=ptime:20\r\n`;
    fuzz([offer], (text) => {
      const read = readSdp(text, 8);
      if ("fault" in read) return;
      expect(read.media.length).toBeLessThanOrEqual(8);
      for (const line of read.media)
        if (refusal(line, false) === undefined) expect(negotiate(line, undefined).description.formats.size).toBeGreaterThan(0);
    });
  });

  test("metadata, merged into one state that stays bounded", () => {
    const state = new MetadataState(limits.maxParticipants);
    fuzz([metadata(), metadata("partial")], (text) => {
      const read = readMetadata(text, limits);
      if (!("fault" in read)) state.apply(read);
      state.speakersOf("1");
      expect(state.participants().length).toBeLessThanOrEqual(limits.maxParticipants);
    });
  });
});
