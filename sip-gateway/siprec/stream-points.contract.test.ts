/** Points 6 to 8 of the recording server's facts: the answer to an offer, and streams that come, pause and go. */
import { afterEach, expect, test } from "vitest";
import { GatewayUnderTest } from "../testing/gateway-under-test.ts";
import { metadata, pcmu, sdp, twoStreams } from "../testing/recording-client.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());

const mediaLines = (body: string): string[] => body.split("\r\n").filter((line) => line.startsWith("m="));
const attributes = (body: string, name: string): string[] => body.split("\r\n").filter((line) => line.startsWith(`a=${name}`));

test("point 6: labels are echoed and streams answered recvonly, in the order of the offer", async () => {
  under = await GatewayUnderTest.start();
  const offer = sdp(pcmu("far-end", 40_000), pcmu(96, 40_002, "sendrecv"));
  const answer = await (await under.client()).start({ sdp: offer, metadata: metadata() });
  expect(mediaLines(answer.body)).toEqual(["m=audio 30000 RTP/AVP 0", "m=audio 30002 RTP/AVP 0"]);
  expect(attributes(answer.body, "label")).toEqual(["a=label:far-end", "a=label:96"]);
  expect(attributes(answer.body, "recvonly")).toHaveLength(2);
  expect(attributes(answer.body, "record")).toEqual([]);
});

test("point 6: every m-line is answered; what cannot be recorded gets port 0", async () => {
  under = await GatewayUnderTest.start();
  const offer = sdp(
    "m=video 41000 RTP/AVP 96\r\na=label:v\r\n",
    pcmu(1, 40_000),
    "m=audio 40004 RTP/AVP 18\r\na=label:g729\r\n",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    pcmu(2, 40_002, "inactive"),
  );
  const answer = await (await under.client()).start({ sdp: offer, metadata: metadata() });
  expect(mediaLines(answer.body)).toEqual([
    "m=video 0 RTP/AVP 96",
    "m=audio 30000 RTP/AVP 0",
    "m=audio 0 RTP/AVP 18",
    "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    "m=audio 30002 RTP/AVP 0",
  ]);
  expect(attributes(answer.body, "label")).toEqual(["a=label:v", "a=label:1", "a=label:g729", "a=label:2"]);
  expect(attributes(answer.body, "inactive")).toHaveLength(1);
  expect(under.calls("callStarted")[0]?.legs.map((leg) => [leg.label, leg.state])).toEqual([
    ["1", "active"],
    ["2", "paused"],
  ]);
});

test("point 6: every codec we can decode stays, with its payload type, rate and digits", async () => {
  under = await GatewayUnderTest.start();
  const offer = sdp(
    "m=audio 40000 RTP/AVP 9 8 0 18 96 97 101 13 98\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 L16/16000\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:98 EVS/16000\r\na=ptime:30\r\na=label:1\r\na=sendonly\r\n",
  );
  const answer = await (await under.client()).start({ sdp: offer, metadata: metadata() });
  expect(mediaLines(answer.body)).toEqual(["m=audio 30000 RTP/AVP 9 8 0 96 97 101 13"]);
  expect(attributes(answer.body, "ptime")).toEqual(["a=ptime:30"]);
  const { description } = under.media.legs[0]!;
  expect(description.ptimeMs).toBe(30);
  expect([...description.formats]).toEqual([
    [9, { encoding: "G722", clockRate: 8000, channels: 1 }],
    [8, { encoding: "PCMA", clockRate: 8000, channels: 1 }],
    [0, { encoding: "PCMU", clockRate: 8000, channels: 1 }],
    [96, { encoding: "opus", clockRate: 48_000, channels: 2 }],
    [97, { encoding: "L16", clockRate: 16_000, channels: 1 }],
    [101, { encoding: "telephone-event", clockRate: 8000, channels: 1 }],
    [13, { encoding: "CN", clockRate: 8000, channels: 1 }],
  ]);
});

test("point 7: two streams are two speakers, one mixed stream carries all participants", async () => {
  under = await GatewayUnderTest.start();
  await (await under.client()).start({ sdp: twoStreams(), metadata: metadata() });
  const mixed = metadata().replace("<send>X2</send>", "<send>X1</send>");
  await (await under.client()).start({ sdp: sdp(pcmu(1)), metadata: mixed });
  const [two, one] = under.calls("callStarted");
  expect(two?.legs.map((leg) => leg.participants.map((each) => each.name))).toEqual([["Ann"], ["Carl"]]);
  expect(one?.legs).toMatchObject([{ speaker: 3, speakerReason: "single-stream", participants: [{ name: "Ann" }, { name: "Carl" }] }]);
});

test("point 7: a mixed stream that metadata joins nobody to still lists who is in the call", async () => {
  under = await GatewayUnderTest.start();
  const unjoined = metadata().replace(/<participantstreamassoc[\s\S]*?<\/participantstreamassoc>/g, "");
  await (await under.client()).start({ sdp: sdp(pcmu("mix")), metadata: unjoined });
  expect(under.calls("callStarted")[0]?.legs[0]?.participants.map((each) => each.name)).toEqual(["Ann", "Carl"]);
});

test("point 8: inactive pauses, sendonly resumes", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  const paused = await client.start({ sdp: sdp(pcmu(1, 40_000, "inactive"), pcmu(2, 40_002)) });
  expect(attributes(paused.body, "inactive")).toHaveLength(1);
  expect(under.media.legs[0]?.description.receiving).toBe(false);
  expect(
    under
      .calls("callUpdated")
      .at(-1)
      ?.legs.map((leg) => leg.state),
  ).toEqual(["paused", "active"]);
  const resumed = await client.request("UPDATE", { body: { contentType: "application/sdp", content: twoStreams() } });
  expect(attributes(resumed.body, "recvonly")).toHaveLength(2);
  expect(under.media.legs[0]?.description.receiving).toBe(true);
  expect(
    under
      .calls("callUpdated")
      .at(-1)
      ?.legs.map((leg) => leg.state),
  ).toEqual(["active", "active"]);
});

test("point 8: port 0 removes a stream, a new and a reused m-line add one, and a leg's index is never reused", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  const removed = await client.start({ sdp: sdp(pcmu(1), pcmu(2, 0)) });
  expect(mediaLines(removed.body)).toEqual(["m=audio 30000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"]);
  expect(under.media.legs[1]?.closed).toBe(true);
  const added = await client.start({ sdp: sdp(pcmu(1), pcmu(3, 40_006), pcmu(4, 40_008)) });
  expect(mediaLines(added.body).every((line) => !line.includes("audio 0 "))).toBe(true);
  expect(
    under
      .calls("callUpdated")
      .at(-1)
      ?.legs.map((leg) => [leg.index, leg.label, leg.state]),
  ).toEqual([
    [0, "1", "active"],
    [1, "2", "removed"],
    [2, "3", "active"],
    [3, "4", "active"],
  ]);
  await client.bye();
  expect(under.media.usedPairs).toBe(0);
});

test("point 8: an offer that drops m-lines is answered 488 and changes nothing", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start();
  expect((await client.start({ sdp: sdp(pcmu(1)) })).startLine).toBe("SIP/2.0 488 Media Lines Removed From Offer");
  expect(under.media.legs.map((leg) => leg.closed)).toEqual([false, false]);
  expect((await client.bye()).status).toBe(200);
});

test("a re-INVITE without offer is answered with what was agreed last", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  const first = await client.start();
  const again = await client.start({});
  expect(again.status).toBe(200);
  expect(again.body).toBe(first.body);
});
