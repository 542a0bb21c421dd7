/** Points 1 to 5 of the recording server's facts: what is taken for a recording session, and that every INVITE is answered. */
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest } from "../testing/gateway-under-test.ts";
import { metadata, multipart, pcmu, sdp, twoStreams } from "../testing/recording-client.ts";
import { headerOf } from "../testing/sip-client.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());

const session = { sdp: twoStreams(), metadata: metadata() };
const plainContact = "<sip:src@127.0.0.1:5099>";

describe("point 1: a recording session has both +sip.src and Require: siprec", () => {
  test("point 1: without Require: siprec it is answered 421", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    const answer = await client.start({ ...session, headers: [] });
    expect(answer.status).toBe(421);
    expect(headerOf(answer, "require")).toBe("siprec");
    expect(under.calls("callStarted")).toEqual([]);
  });

  test("point 1: without +sip.src it is answered 403, unless the trunk is lenient", async () => {
    under = await GatewayUnderTest.start();
    const strict = await (await under.client()).start({ ...session, contact: plainContact });
    expect(strict.startLine).toBe("SIP/2.0 403 Contact Lacks +sip.src");
    under.configure("tenant-1", { trunks: [{ id: "t", enabled: true, sourceNetworks: ["127.0.0.1"], lenientSiprec: true }], version: 2 });
    expect((await (await under.client()).start({ ...session, contact: plainContact })).status).toBe(200);
    expect((await (await under.client()).start({ ...session, headers: [] })).status).toBe(200);
  });

  test("point 1: +sip.src inside the angle brackets or quotes is not the feature tag", async () => {
    under = await GatewayUnderTest.start();
    for (const contact of ["<sip:src@127.0.0.1;+sip.src>", '"a;+sip.src" <sip:src@127.0.0.1>'])
      expect((await (await under.client()).start({ ...session, contact })).status).toBe(403);
    expect((await (await under.client()).start({ ...session, contact: '"x" <sip:src@127.0.0.1>;expires=60;+SIP.SRC="yes"' })).status).toBe(
      200,
    );
  });

  test("an extension that nobody here knows is answered 420", async () => {
    under = await GatewayUnderTest.start();
    const answer = await (await under.client()).start({ ...session, headers: ["Require: siprec, 100rel"] });
    expect(answer.status).toBe(420);
    expect(headerOf(answer, "unsupported")).toBe("100rel");
  });
});

describe("point 2: our Contact carries +sip.srs, and there is always a final answer", () => {
  test("point 2: +sip.srs stands in the answers to INVITE, re-INVITE, UPDATE, OPTIONS and in refusals", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    const answers = [
      await client.start(session),
      await client.start({ sdp: twoStreams() }),
      await client.request("UPDATE"),
      await client.request("OPTIONS"),
    ];
    answers.push(await (await under.client()).start({ sdp: "garbage", metadata: metadata() }));
    for (const answer of answers) expect(headerOf(answer, "contact")).toMatch(/^<sip:srs@127\.0\.0\.1:\d+>;\+sip\.srs$/);
  });

  test.each([
    ["one m-line", { sdp: sdp(pcmu(1)), metadata: metadata() }, 200],
    ["an m-line without label", { sdp: sdp("m=audio 40000 RTP/AVP 0\r\na=sendonly\r\n"), metadata: metadata() }, 200],
    ["no media at all", { sdp: sdp(), metadata: metadata() }, 400],
    ["an empty body", { body: { contentType: "application/sdp", content: " " } }, 400],
    ["SDP that is not SDP", { sdp: "v=1\r\n", metadata: metadata() }, 400],
    ["no codec in common", { sdp: sdp("m=audio 40000 RTP/AVP 18\r\na=sendonly\r\n"), metadata: metadata() }, 488],
    ["only video", { sdp: sdp("m=video 40000 RTP/AVP 96\r\n"), metadata: metadata() }, 488],
  ])("point 2: an INVITE with %s gets a final answer", async (_, options, status) => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    expect((await client.start(options)).status).toBe(status);
  });
});

describe("point 3: SDP and metadata travel as multipart/mixed", () => {
  const parts = (type: string) => [
    { type: "application/sdp", content: twoStreams() },
    { type, content: metadata(), disposition: "recording-session" },
  ];

  test.each(["application/rs-metadata", "application/rs-metadata+xml", "Application/RS-Metadata+XML; charset=utf-8"])(
    "point 3: %s is read",
    async (type) => {
      under = await GatewayUnderTest.start();
      expect((await (await under.client()).start({ body: multipart(parts(type)) })).status).toBe(200);
      expect(under.calls("callStarted")[0]?.legs[1]?.participant).toMatchObject({ name: "Carl", address: "sip:+15550100@pbx.example.com" });
    },
  );

  test("point 3: one dialog may use both types", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    await client.start({ body: multipart(parts("application/rs-metadata")) });
    const renamed = metadata("partial").replace("Carl", "Carla");
    expect((await client.request("UPDATE", { body: { contentType: "application/rs-metadata+xml", content: renamed } })).status).toBe(200);
    expect(under.calls("callUpdated").at(-1)?.legs[1]?.participant?.name).toBe("Carla");
  });

  test("point 3: preamble, odd case, quoted boundary, blank lines and bare LF are legal", async () => {
    under = await GatewayUnderTest.start();
    const xml = metadata().replace("<session ", "\n\n<session ");
    const content = `This is a preamble.\n\n--a=b c\ncontent-TYPE:application/SDP\n\n${twoStreams().replaceAll("\r\n", "\n")}\n--a=b c\nCONTENT-DISPOSITION: Recording-Session\nContent-type: application/rs-metadata\n\n${xml}\n--a=b c--\nepilogue`;
    const answer = await (await under.client()).start({ body: { contentType: 'Multipart/Mixed; Boundary="a=b c"', content } });
    expect(answer.status).toBe(200);
    expect(under.calls("callStarted")[0]?.legs.map((leg) => leg.participant?.name)).toEqual(["Ann", "Carl"]);
  });

  test.each([
    ["no boundary", "multipart/mixed", "--x\r\n\r\n--x--", "Multipart Without Boundary"],
    ["a boundary that never comes", "multipart/mixed;boundary=y", "--x\r\n\r\n--x--", "Multipart Boundary Not Found"],
    ["no closing boundary", "multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n", "Multipart Not Closed"],
    [
      "a part without empty line",
      "multipart/mixed;boundary=x",
      "--x\r\nContent-Type: application/sdp\r\n--x--",
      "Body Part Without Empty Line",
    ],
    ["a malformed part header", "multipart/mixed;boundary=x", "--x\r\nnonsense\r\n\r\nv=0\r\n--x--", "Malformed Body Part Header"],
  ])("point 3: malformed multipart (%s) is answered 400 with the reason", async (_, contentType, content, reason) => {
    under = await GatewayUnderTest.start();
    const answer = await (await under.client()).start({ body: { contentType, content } });
    expect(answer.startLine).toBe(`SIP/2.0 400 ${reason}`);
  });
});

describe("point 4: a session without metadata", () => {
  test("point 4: is refused by default and accepted where the trunk allows it", async () => {
    under = await GatewayUnderTest.start();
    expect((await (await under.client()).start({ sdp: twoStreams() })).startLine).toBe("SIP/2.0 400 Recording Metadata Missing");
    under.configure("tenant-1", {
      trunks: [{ id: "t", enabled: true, sourceNetworks: ["127.0.0.1"], acceptWithoutMetadata: true }],
      version: 2,
    });
    expect((await (await under.client()).start({ sdp: twoStreams() })).status).toBe(200);
    expect(under.calls("callStarted")[0]?.legs).toMatchObject([
      { label: "1", speaker: 1, speakerReason: "label-order" },
      { label: "2", speaker: 2, speakerReason: "label-order" },
    ]);
  });
});

describe("point 5: OPTIONS is answered", () => {
  test.each(["udp", "tcp"] as const)("point 5: over %s, with what a recording client looks for", async (transport) => {
    under = await GatewayUnderTest.start();
    const answer = await (await under.client(transport)).request("OPTIONS");
    expect(answer.status).toBe(200);
    expect(headerOf(answer, "allow")).toContain("UPDATE");
    expect(headerOf(answer, "supported")).toBe("siprec, timer");
    expect(headerOf(answer, "accept")).toContain("application/rs-metadata");
    expect(headerOf(answer, "contact")).toContain("+sip.srs");
  });
});
