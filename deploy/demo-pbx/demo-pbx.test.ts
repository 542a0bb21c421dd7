import { describe, expect, test } from "vitest";
import { bytesPerFrame, loadCallAudio } from "./call-audio.ts";
import { loadDialogue, loadTruth, scenarioIds } from "./dialogue.ts";
import { encodeALaw, encodeMuLaw } from "./g711-encoder.ts";
import { RtpSender } from "./rtp-sender.ts";
import { answeredPorts, offerBody } from "./session-offer.ts";
import { parseSip } from "./sip-client.ts";
import { muLawWav, readMuLawWav } from "./stereo-wav.ts";

describe("the demo calls", () => {
  test("there are at least six, each with its audio and its truth", () => {
    expect(scenarioIds().length).toBeGreaterThanOrEqual(6);
    for (const id of scenarioIds()) {
      const truth = loadTruth(id);
      const spoken = loadDialogue(id).lines;
      expect(truth.turns.map((turn) => turn.text ?? turn.digits)).toEqual(spoken.map((line) => line.text ?? line.digits));
      for (const { words, startMs, endMs } of truth.turns)
        for (const word of words) {
          expect(word.endMs).toBeGreaterThan(word.startMs);
          expect(word.startMs).toBeGreaterThanOrEqual(startMs);
          expect(word.endMs).toBeLessThanOrEqual(endMs);
        }
      const { streams, durationMs } = loadCallAudio(id);
      for (const stream of streams) expect(Math.abs(stream.frames * 20 - durationMs)).toBeLessThan(40);
    }
  });

  test("a swapped call carries the caller's sound on the agent's stream, in the stream's own codec", () => {
    const straight = loadCallAudio("bad-line");
    const swapped = loadCallAudio("bad-line", { swapped: true });
    // As a boolean: the difference of two such arrays would take minutes to print.
    expect(Buffer.compare(swapped.streams[0].payload, straight.streams[1].payload) === 0).toBe(true);
    expect(loadCallAudio("service", { swapped: true }).streams.map((s) => s.codec)).toEqual(["G722", "PCMA"]);
  });
});

test("mu-law WAV files read back as they were written", () => {
  const left = encodeMuLaw(Int16Array.of(0, 1000, -1000, 32_767));
  const right = encodeMuLaw(Int16Array.of(-32_768, 5, -5, 8));
  const read = readMuLawWav(muLawWav(16_000, [left, right]));
  expect(read.sampleRate).toBe(16_000);
  expect(encodeMuLaw(read.left)).toEqual(left);
  expect(encodeMuLaw(read.right)).toEqual(right);
  expect(() => readMuLawWav(new Uint8Array(100))).toThrow(/mu-law/);
});

test("A-law code words of G.711 table 1a", () => {
  // Smallest and largest positive and negative values, even bits inverted.
  expect([...encodeALaw(Int16Array.of(0, 32_767, -1, -32_768))]).toEqual([0xd5, 0xaa, 0x55, 0x2a]);
});

test("the offer has two labelled sendonly streams and the metadata that names them", () => {
  const { type, content } = offerBody("127.0.0.1", [4000, 4002], loadDialogue("service"));
  expect(type).toMatch(/^multipart\/mixed;boundary=/);
  expect(content.match(/a=sendonly/g)).toHaveLength(2);
  expect(content).toContain('aor="sip:201@pbx.demo.invalid"');
  expect(content.trimEnd().endsWith("--")).toBe(true);
});

test("an answer that rejects a stream is an error", () => {
  expect(() => answeredPorts("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 8\r\nm=audio 0 RTP/AVP 8\r\n", 2)).toThrow(/rejected/);
});

test("a response's first header of each name is kept, in its long form", () => {
  const message = parseSip("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a\r\ni: x\r\n\r\nbody");
  expect(message).toMatchObject({ status: 200, body: "body" });
  expect(message?.headers.get("call-id")).toBe("x");
  expect(parseSip("hello")).toBeUndefined();
});

describe("the RTP sender", () => {
  function send(frames: number, impairment: object): Buffer[] {
    const sent: Buffer[] = [];
    // Every other draw is below any percentage, so that some packets are lost and some are not.
    let turn = 0;
    const stream = new RtpSender(
      (packet) => sent.push(packet),
      loadCallAudio("service").streams[1],
      impairment,
      false,
      () => (turn++ % 3 === 0 ? 0 : 0.99),
    );
    for (let i = 0; i < frames; i++) expect(stream.sendFrame()).toBe(true);
    return sent;
  }

  test("numbers packets by one and stamps them by 160", () => {
    const packets = send(20, {});
    expect(packets).toHaveLength(20);
    for (let i = 1; i < packets.length; i++) {
      expect((packets[i]!.readUInt16BE(2) - packets[i - 1]!.readUInt16BE(2)) & 0xffff).toBe(1);
      expect((packets[i]!.readUInt32BE(4) - packets[i - 1]!.readUInt32BE(4)) >>> 0).toBe(160);
      expect(packets[i]!.length).toBe(12 + bytesPerFrame);
    }
  });

  test("sends nothing more once stopped, though packets are late", async () => {
    const sent: Buffer[] = [];
    const stream = new RtpSender(
      (packet) => sent.push(packet),
      loadCallAudio("service").streams[1],
      { jitterMs: 40 },
      false,
      () => 0.9,
    );
    stream.sendFrame();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(sent).toHaveLength(1);
    stream.sendFrame();
    stream.stop();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(sent).toHaveLength(1);
  });

  test("loses what it is told to lose", () => {
    const packets = send(20, { lossPercent: 10 });
    expect(packets.length).toBeLessThan(20);
    expect(packets.length).toBeGreaterThan(5);
  });

  test("presses the digits of the dialogue, each ended three times", () => {
    const { digits } = loadCallAudio("service").streams[1];
    expect(digits.map((d) => d.digit).join("")).toBe("4071");
    const packets = send(digits.at(-1)!.startFrame + 10, {});
    const ends = packets.filter((packet) => (packet.readUInt8(1) & 0x7f) === 101 && (packet.readUInt8(13) & 0x80) !== 0);
    expect(ends.map((packet) => packet.readUInt8(12))).toEqual([4, 4, 4, 0, 0, 0, 7, 7, 7, 1, 1, 1]);
  });
});
