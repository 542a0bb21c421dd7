/** Points 9 to 12 of the recording server's facts: metadata as clients really send it. */
import { afterEach, describe, expect, test } from "vitest";
import { GatewayUnderTest } from "../testing/gateway-under-test.ts";
import { metadata, multipart, pcmu, type RecordingClient, sdp, twoStreams } from "../testing/recording-client.ts";
import { headerOf } from "../testing/sip-client.ts";
import { readMetadata, readTime } from "./metadata-document.ts";
import { MetadataState } from "./metadata-state.ts";

let under: GatewayUnderTest | undefined;
afterEach(async () => {
  await under?.stop();
  under = undefined;
});

const limits = { maxBytes: 65_536, maxDepth: 16, maxElements: 500, maxParticipants: 8 };
const open = '<recording xmlns="urn:ietf:params:xml:ns:recording:1">';

function stateOf(...documents: string[]): MetadataState {
  const state = new MetadataState(limits.maxParticipants);
  for (const xml of documents) {
    const document = readMetadata(xml, limits);
    if ("fault" in document) throw new Error(document.fault);
    state.apply(document);
  }
  return state;
}
const names = (state: MetadataState, label: string) => state.speakersOf(label).map((one) => one.name || one.address);
const update = (client: RecordingClient, xml: string) =>
  client.request("UPDATE", { body: { contentType: "application/rs-metadata+xml", content: xml } });

describe("point 9: dataMode, datamode, complete and partial", () => {
  test.each(["datamode", "dataMode", "DataMode"])("point 9: %s is read", (name) => {
    const partial = readMetadata(`${open}<${name}>partial</${name}></recording>`, limits);
    expect(partial).toMatchObject({ mode: "partial" });
    expect(readMetadata(`${open}<${name}>complete</${name}></recording>`, limits)).toMatchObject({ mode: "complete" });
  });

  test("point 9: absent means complete: what it does not name is gone", () => {
    const state = stateOf(metadata(), `${open}<participant participant_id="Z"><nameID aor="sip:9@x"/></participant></recording>`);
    expect(state.participants().map((one) => one.address)).toEqual(["sip:9@x"]);
    expect(names(state, "1")).toEqual([]);
  });

  test("point 9: partial merges: a new participant joins, what stands stays", () => {
    const state = stateOf(
      metadata(),
      `${open}<datamode>partial</datamode><participant participant_id="B"><nameID aor="sip:2002@x"><name>Bea</name></nameID></participant>
       <stream stream_id="X3"><label>3</label></stream><participantstreamassoc participant_id="B"><send>X3</send></participantstreamassoc></recording>`,
    );
    expect([names(state, "1"), names(state, "2"), names(state, "3")]).toEqual([["Ann"], ["Carl"], ["Bea"]]);
  });

  test("point 9: a partial update of a live call is published, the rest of the call unchanged", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    await client.start();
    const xml = `${open}<datamode>partial</datamode><participant participant_id="C"><nameID aor="sip:+15550199@x"><name>Cleo</name></nameID></participant></recording>`;
    expect((await update(client, xml)).status).toBe(200);
    expect(under.calls("callUpdated")).toMatchObject([
      { reason: "metadata", legs: [{ participant: { name: "Ann" } }, { participant: { name: "Cleo", address: "sip:+15550199@x" } }] },
    ]);
  });
});

describe("point 10: who speaks on which stream", () => {
  test("point 10: m-line label, stream, association, participant; ids may be anything", () => {
    const id = "urn:uuid:7fbe8a5e-6f2c-4a0e-9d3a-2f9d4f1d8b11";
    const state = stateOf(
      `${open}<participant participant_id="i1Pz3to5hGk8fuXl+PbwCw=="><nameID aor="tel:+15550100"/></participant><stream stream_id="${id}"><label>far</label></stream>
       <participantstreamassoc participant_id="i1Pz3to5hGk8fuXl+PbwCw=="><send> ${id} </send></participantstreamassoc></recording>`,
    );
    expect(names(state, "far")).toEqual(["tel:+15550100"]);
  });

  test("point 10: no send means that the participant has stopped contributing", () => {
    const state = stateOf(
      metadata(),
      `${open}<datamode>partial</datamode><participantstreamassoc participant_id="A"><recv>X2</recv></participantstreamassoc></recording>`,
    );
    expect([names(state, "1"), names(state, "2")]).toEqual([[], ["Carl"]]);
  });

  test("point 10: disassociated participants no longer speak, associated again they do", () => {
    const gone = `${open}<datamode>partial</datamode><participantstreamassoc participant_id="A"><send>X1</send>
      <associate-time>2026-01-05T09:00:00Z</associate-time><disassociate-time>2026-01-05T09:05:00+0000</disassociate-time></participantstreamassoc></recording>`;
    expect(names(stateOf(metadata(), gone), "1")).toEqual([]);
    const back = gone.replace("09:00:00Z", "09:06:00+00:00");
    expect(names(stateOf(metadata(), back), "1")).toEqual(["Ann"]);
    const left = `${open}<datamode>partial</datamode><participantsessionassoc participant_id="C" session_id="S1"><disassociate-time>2026-01-05T09:05:00Z</disassociate-time></participantsessionassoc></recording>`;
    expect(names(stateOf(metadata(), left), "2")).toEqual([]);
  });

  test("point 10: times are RFC 3339, with or without the colon of the offset; a time without offset is not guessed at", () => {
    const at = Date.parse("2026-01-05T09:00:00Z");
    expect(
      ["2026-01-05T09:00:00Z", "2026-01-05T10:00:00+01:00", "2026-01-05T09:00:00+0000", "2026-01-05T09:00:00.000000Z"].map(readTime),
    ).toEqual([at, at, at, at]);
    expect(readTime("2026-01-05T09:00:00")).toBeUndefined();
  });
});

describe("point 11: namespaces, older shapes and extension data", () => {
  test.each(["urn:ietf:params:xml:ns:recording:1", "urn:ietf:params:xml:ns:recording", "urn:ietf:params:xml:ns:siprec"])(
    "point 11: %s is read",
    (namespace) => {
      expect(names(stateOf(metadata().replace("urn:ietf:params:xml:ns:recording:1", namespace)), "2")).toEqual(["Carl"]);
    },
  );

  test("point 11: prefixed elements are read by namespace, not by prefix", () => {
    const xml = `<r:recording xmlns:r="urn:ietf:params:xml:ns:recording:1"><r:participant participant_id="A"><r:nameID aor="sip:1@x"/></r:participant>
      <r:stream stream_id="S"><r:label>1</r:label></r:stream><r:participantstreamassoc participant_id="A"><r:send>S</r:send></r:participantstreamassoc></r:recording>`;
    expect(names(stateOf(xml), "1")).toEqual(["sip:1@x"]);
  });

  test("point 11: the older shape with send inside the participant", () => {
    const xml = `<recording xmlns="urn:ietf:params:xml:ns:siprec"><dataMode>complete</dataMode><participant id="A" session="S"><nameID aor="sip:1@x"><name>One</name></nameID><send>s1</send></participant>
      <stream id="s1" session="S"><label>1</label></stream></recording>`;
    expect(names(stateOf(xml), "1")).toEqual(["One"]);
  });

  test("point 11: extension data never changes who is who, even where it says so; its call id is kept", () => {
    const lying = `<extensiondata xmlns:apkt="http://acmepacket.com/siprec/extensiondata"><apkt:ucid>00FA080018803B69810C6D;encoding=hex</apkt:ucid>
      <apkt:callingParty>true</apkt:callingParty><participant participant_id="A"><nameID aor="sip:evil@x"><name>Mallory</name></nameID></participant></extensiondata>
      <broadWorksRecordingMetadata xmlns="http://schema.broadsoft.com/broadworksCallRecording"><name>Wrong</name><label>1</label></broadWorksRecordingMetadata>`;
    const state = stateOf(metadata("complete", lying));
    expect([names(state, "1"), names(state, "2")]).toEqual([["Ann"], ["Carl"]]);
    expect(state.externalCallId()).toBe("00FA080018803B69810C6D;encoding=hex");
  });

  test.each([
    ["a DOCTYPE", '<!DOCTYPE recording [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><recording>&b;</recording>', "metadata with a DOCTYPE"],
    ["an unknown entity", `${open}<datamode>&bomb;</datamode></recording>`, "metadata is not well-formed XML"],
    ["deep nesting", `${open}${"<a>".repeat(100)}`, "metadata nested too deep"],
    ["too many elements", `${open}${"<a/>".repeat(600)}</recording>`, "metadata with too many elements"],
    ["too many bytes", `${open}${" ".repeat(70_000)}</recording>`, "metadata too large"],
    ["another document", "<html/>", "metadata without a recording element"],
    ["nothing", "", "metadata is not well-formed XML"],
  ])("point 11: %s is refused", (_, xml, fault) => {
    expect(readMetadata(xml, limits)).toEqual({ fault });
  });

  test("point 11: more participants than the limit are not remembered", () => {
    const many = Array.from(
      { length: 50 },
      (_, index) => `<participant participant_id="p${index}"><nameID aor="sip:${index}@x"/></participant>`,
    );
    expect(stateOf(`${open}${many.join("")}</recording>`).participants()).toHaveLength(limits.maxParticipants);
  });
});

describe("point 12: metadata arrives in any message", () => {
  const partial = (name: string) =>
    `${open}<datamode>partial</datamode><participant participant_id="C"><nameID aor="sip:+15550100@x"><name>${name}</name></nameID></participant></recording>`;
  const lastName = () => under?.calls("callUpdated").at(-1)?.legs[1]?.participant?.name;

  test("point 12: INVITE, re-INVITE, UPDATE, INFO and ACK", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    await client.start();
    expect(under.calls("callStarted")[0]?.legs[1]?.participant?.name).toBe("Carl");
    await client.start({ sdp: twoStreams(), metadata: partial("In re-INVITE") });
    expect(lastName()).toBe("In re-INVITE");
    await update(client, partial("In UPDATE"));
    expect(lastName()).toBe("In UPDATE");
    await client.request("INFO", { body: { contentType: "application/rs-metadata", content: partial("In INFO") } });
    expect(lastName()).toBe("In INFO");
    const again = await client.invite({});
    expect(again.status).toBe(200);
    const body = multipart([
      { type: "application/sdp", content: twoStreams() },
      { type: "application/rs-metadata+xml", content: partial("In ACK"), disposition: "recording-session" },
    ]);
    client.wire.send(client.message("ACK", { contact: "", body }));
    await under.until(() => lastName() === "In ACK", "metadata of the ACK");
  });

  test("point 12: a snapshot is asked for, with UPDATE and without SDP, when partial metadata has nothing to add to", async () => {
    under = await GatewayUnderTest.start({ trunk: { acceptWithoutMetadata: true } });
    const client = await under.client();
    await client.start({ sdp: twoStreams() });
    await update(client, partial("Early"));
    const asked = await client.wire.request("UPDATE");
    expect(headerOf(asked, "content-type")).toBe("application/rs-metadata-request");
    expect(headerOf(asked, "content-disposition")).toBe("recording-session");
    expect(headerOf(asked, "contact")).toContain("+sip.srs");
    expect(asked.body).toContain("<requestsnapshot xmlns='urn:ietf:params:xml:ns:recording:1'>");
    expect(asked.body).not.toContain("m=audio");
    client.answer(asked, 200);
    await update(client, metadata());
    expect(
      under
        .calls("callUpdated")
        .at(-1)
        ?.legs.map((leg) => leg.participant?.name),
    ).toEqual(["Ann", "Carl"]);
  });

  test("point 12: unreadable metadata never costs the audio: the call is up, marked, and a snapshot is asked for", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    expect((await client.start({ sdp: sdp(pcmu(1), pcmu(2, 40_002)), metadata: "<recording><unclosed" })).status).toBe(200);
    expect(under.calls("callStarted")[0]?.legs).toHaveLength(2);
    expect(under.calls("callStarted")[0]?.unreadableMetadata).toBe("<recording><unclosed");
    expect((await client.wire.request("UPDATE")).body).toContain("requestsnapshot");
    const stages = under.eventLog.payloads("ledger.v1", "stageReached");
    expect(stages.find((stage) => stage.stage === "record")?.detail).toBe("Unreadable metadata: metadata is not well-formed XML.");
  });

  test("point 12: a client that takes no UPDATE is not sent one", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    await client.start({ sdp: twoStreams(), metadata: "<broken", headers: ["Require: siprec", "Allow: INVITE, ACK, BYE"] });
    await client.bye();
    expect(client.wire.inbox.filter((message) => message.method === "UPDATE")).toEqual([]);
  });

  test("point 12: an INVITE without offer cannot be answered: 488 with the reason", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    const answer = await client.start({ body: { contentType: "application/rs-metadata+xml", content: metadata() } });
    expect(answer.startLine).toBe("SIP/2.0 488 A Recording Session Needs An SDP Offer");
  });
});
