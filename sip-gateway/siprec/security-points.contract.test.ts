/** Points 13, 14 and 16 of the recording server's facts: RTCP and its ports, TLS, SRTP keys, and what a recording server must not say. */

import { createLog } from "@earshot/platform/log/log.ts";
import { makeCertificates } from "@earshot/platform/testing/certificates.ts";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { DrachtioServer, drachtioMissing } from "../testing/drachtio-server.ts";
import { GatewayUnderTest, tenantSettings } from "../testing/gateway-under-test.ts";
import { metadata, pcmu, sdp, twoStreams } from "../testing/recording-client.ts";
import { type AdapterName, prepareAdapter, signallingAdapters } from "../testing/signalling-adapters.ts";
import { headerOf } from "../testing/sip-client.ts";

let under: GatewayUnderTest;
afterEach(() => under.stop());

const lines = (body: string, start: string): string[] => body.split("\r\n").filter((line) => line.startsWith(start));
const key30 = Buffer.alloc(30, 7).toString("base64");
const key46 = Buffer.alloc(46, 9).toString("base64");
const secure = (profile: string, ...crypto: string[]) =>
  sdp(`m=audio 40000 ${profile} 0\r\na=label:1\r\na=sendonly\r\n${crypto.map((line) => `a=crypto:${line}\r\n`).join("")}`);

describe("point 13: RTCP is agreed for every stream", () => {
  test("point 13: our RTCP port is told, theirs is taken from a=rtcp or is RTP + 1", async () => {
    under = await GatewayUnderTest.start();
    const offer = sdp(pcmu(1, 40_000).replace("a=label", "a=rtcp:45001\r\na=label"), pcmu(2, 40_002));
    const answer = await (await under.client()).start({ sdp: offer, metadata: metadata() });
    expect(lines(answer.body, "a=rtcp")).toEqual(["a=rtcp:30001", "a=rtcp:30003"]);
    expect(under.media.legs.map((leg) => leg.description.remote)).toEqual([
      { address: "127.0.0.1", rtpPort: 40_000, rtcpPort: 45_001 },
      { address: "127.0.0.1", rtpPort: 40_002, rtcpPort: 40_003 },
    ]);
  });

  test("point 13: rtcp-mux is agreed where offered, and only there", async () => {
    under = await GatewayUnderTest.start();
    const offer = sdp(pcmu(1).replace("a=label", "a=rtcp-mux\r\na=label"), pcmu(2, 40_002));
    const answer = await (await under.client()).start({ sdp: offer, metadata: metadata() });
    expect(lines(answer.body, "a=rtcp")).toEqual(["a=rtcp-mux", "a=rtcp:30003"]);
    expect(under.media.legs.map((leg) => leg.description.rtcpMux)).toEqual([true, false]);
  });

  test("point 13: a peer at 0.0.0.0 is not an address to send RTCP to", async () => {
    under = await GatewayUnderTest.start();
    await (await under.client()).start({ sdp: sdp(pcmu(1)).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"), metadata: metadata() });
    expect(under.media.legs[0]?.description.remote).toBeUndefined();
  });
});

describe("point 14: SRTP with SDES keys", () => {
  test.each(["RTP/SAVP", "RTP/SAVPF"])("point 14: %s is answered with a key of our own and the client's tag", async (profile) => {
    under = await GatewayUnderTest.start();
    const offer = secure(
      profile,
      `1 AEAD_AES_256_GCM inline:${key46}`,
      `2 AES_256_CM_HMAC_SHA1_80 inline:${key46}|2^31`,
      `3 AES_CM_128_HMAC_SHA1_80 inline:${key30}`,
    );
    const answer = await (await under.client()).start({ sdp: offer, metadata: metadata() });
    expect(lines(answer.body, "m=")).toEqual([`m=audio 30000 ${profile} 0`]);
    const crypto = /^a=crypto:2 AES_256_CM_HMAC_SHA1_80 inline:(\S+)$/.exec(lines(answer.body, "a=crypto")[0] ?? "");
    const ours = Buffer.from(crypto?.[1] ?? "", "base64");
    expect(ours).toHaveLength(46);
    const { srtp } = under.media.legs[0]!.description;
    expect(srtp?.suite).toBe("AES_256_CM_HMAC_SHA1_80");
    expect(Buffer.from(srtp!.remote)).toEqual(Buffer.alloc(46, 9));
    expect(Buffer.from(srtp!.local)).toEqual(ours);
    expect(ours.equals(Buffer.alloc(46, 9))).toBe(false);
  });

  test("point 14: our key stays over a re-INVITE, the client's new key is taken", async () => {
    under = await GatewayUnderTest.start();
    const client = await under.client();
    const first = await client.start({ sdp: secure("RTP/SAVP", `1 AES_CM_128_HMAC_SHA1_80 inline:${key30}`), metadata: metadata() });
    const rekeyed = Buffer.alloc(30, 8);
    const second = await client.start({ sdp: secure("RTP/SAVP", `1 AES_CM_128_HMAC_SHA1_80 inline:${rekeyed.toString("base64")}`) });
    expect(lines(second.body, "a=crypto")).toEqual(lines(first.body, "a=crypto"));
    expect(Buffer.from(under.media.legs[0]!.description.srtp!.remote)).toEqual(rekeyed);
  });

  test.each([
    ["no key", secure("RTP/SAVP")],
    ["a key of the wrong length", secure("RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA")],
    ["DTLS keying", sdp("m=audio 40000 UDP/TLS/RTP/SAVPF 0\r\na=label:1\r\n")],
  ])("point 14: %s cannot be received: 488", async (_, offer) => {
    under = await GatewayUnderTest.start();
    expect((await (await under.client()).start({ sdp: offer, metadata: metadata() })).status).toBe(488);
  });

  test("point 14: a trunk that requires SRTP refuses plain RTP", async () => {
    under = await GatewayUnderTest.start({ trunk: { requireSrtp: true } });
    const plain = await (await under.client()).start();
    expect(plain.startLine).toBe("SIP/2.0 488 No Usable Stream: this trunk requires SRTP");
    const protectedOffer = secure("RTP/SAVP", `1 AES_CM_128_HMAC_SHA1_32 inline:${key30}`);
    expect((await (await under.client()).start({ sdp: protectedOffer, metadata: metadata() })).status).toBe(200);
  });
});

describe("point 14: TLS", () => {
  const certificates = makeCertificates("sbc.example.com");
  afterAll(() => certificates?.remove());
  let prepared: Awaited<ReturnType<typeof prepareAdapter>> | undefined;
  // The gateway is stopped by then.
  afterEach(() => prepared?.stop());
  const startOn = async (adapter: AdapterName, options: Parameters<typeof GatewayUnderTest.start>[0] = {}) => {
    prepared = await prepareAdapter(adapter, certificates);
    return GatewayUnderTest.start({ ...options, settings: prepared.settings });
  };

  describe.skipIf(certificates === undefined).each(signallingAdapters)("$title", ({ adapter, missing }) => {
    const possible = test.skipIf(missing !== "");

    possible.each(["TLSv1.2", "TLSv1.3"] as const)(
      "point 14: a session over %s runs like any other, and our Contact says so",
      async (version) => {
        under = await startOn(adapter);
        const client = await under.client("tls", { minVersion: version, maxVersion: version });
        const answer = await client.start();
        expect(answer.status).toBe(200);
        expect(headerOf(answer, "contact")).toMatch(/;transport=tls>;\+sip\.srs$/);
        expect((await client.bye()).status).toBe(200);
      },
    );

    possible("point 14: TLS below 1.2 is refused", async () => {
      under = await startOn(adapter);
      await expect(under.client("tls", { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" })).rejects.toThrow();
      expect((await (await under.client()).start()).status).toBe(200);
    });
  });

  test.skipIf(certificates === undefined)("point 14: a trunk can admit by the name in a verified client certificate", async () => {
    under = await startOn("embedded", { trunk: { sourceNetworks: [], tlsPeers: ["SBC.example.com"] } });
    expect((await (await under.client("tls")).start()).status).toBe(403);
    const client = await under.client("tls", { cert: certificates!.clientCert, key: certificates!.clientKey });
    expect((await client.start()).status).toBe(200);
    const stranger = makeCertificates("sbc.example.com")!;
    expect((await (await under.client("tls", { cert: stranger.clientCert, key: stranger.clientKey })).start()).status).toBe(403);
    stranger.remove();
  });

  describe.skipIf(certificates === undefined || drachtioMissing() !== "")(`a drachtio-server ${drachtioMissing()}`, () => {
    test("point 14: does not tell who its clients are: a trunk that only names TLS peers admits nobody, and the log says what to do", async () => {
      const lines: string[] = [];
      const log = createLog({ level: "warn", destination: { write: (line) => void lines.push(line) } });
      under = await startOn("drachtio-server", { log, trunk: { sourceNetworks: [], tlsPeers: ["sbc.example.com"] } });
      const client = await under.client("tls", { cert: certificates!.clientCert, key: certificates!.clientKey });
      expect((await client.start()).status).toBe(403);
      const warning = { trunkId: "trunk-1", effect: "it admits nobody", remedy: expect.stringContaining("source networks") };
      expect(lines.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining(warning));
      under.configure("tenant-1", tenantSettings({ tlsPeers: ["sbc.example.com"] }, { version: 2 }));
      expect((await client.start()).status).toBe(200);
    });

    test("point 14: turns away whoever has no certificate of its CA, where it is told to", async () => {
      const server = await DrachtioServer.start({ tls: certificates!, verifyClients: true });
      prepared = { settings: {}, stop: () => server.stop() };
      under = await GatewayUnderTest.start({ settings: { signalling: server.url } });
      const stranger = makeCertificates("sbc.example.com")!;
      // In TLS 1.3 the client would know only by what comes after the handshake.
      for (const identity of [{}, { cert: stranger.clientCert, key: stranger.clientKey }])
        await expect(under.client("tls", { maxVersion: "TLSv1.2", ...identity })).rejects.toThrow();
      stranger.remove();
      const client = await under.client("tls", { cert: certificates!.clientCert, key: certificates!.clientKey });
      expect((await client.start()).status).toBe(200);
    });
  });
});

test("point 16: neither record, recordpref nor record-aware is ever said by us", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  const offer = twoStreams().replaceAll("a=sendonly", "a=sendonly\r\na=recordpref:on\r\na=record:on");
  const answers = [
    await client.start({ sdp: offer, metadata: metadata() }),
    await client.request("OPTIONS"),
    await client.start({ sdp: offer }),
  ];
  for (const answer of answers) {
    expect(answer.text).not.toMatch(/a=record|record-aware/);
    expect(headerOf(answer, "supported")).toBe("siprec, timer");
  }
});
