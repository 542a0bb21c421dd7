/** A whole call that nobody on the way can read: SIP over TLS with SDES keys in it, SRTP beside it, on real sockets, on each adapter. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { systemClock } from "@earshot/platform/clock/clock.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { makeCertificates } from "@earshot/platform/testing/certificates.ts";
import { decodeMediaChunk } from "@earshot/proto/media-chunk-codec.ts";
import { topics } from "@earshot/proto/topics.ts";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createMediaPlane } from "./media/media-plane.ts";
import { rtpPacket } from "./media/rtp-packets.fixture.ts";
import { defaultMediaSettings } from "./media/settings.fixture.ts";
import { protect } from "./media/srtp.fixture.ts";
import { freePortRange } from "./testing/free-port.ts";
import { GatewayUnderTest } from "./testing/gateway-under-test.ts";
import { MemoryEventLog } from "./testing/memory-event-log.ts";
import { metadata, sdp } from "./testing/recording-client.ts";
import { prepareAdapter, signallingAdapters } from "./testing/signalling-adapters.ts";

const suite = "AES_CM_128_HMAC_SHA1_80";
const certificates = makeCertificates("sbc.example.com");
afterAll(() => certificates?.remove());
const cleanUp: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function startedPlane(eventLog: MemoryEventLog) {
  const from = await freePortRange(4);
  const settings = defaultMediaSettings({ host: "127.0.0.1" });
  const metrics = createMetrics();
  const plane = createMediaPlane({ ports: { from, to: from + 3 }, settings, log: silentLog, metrics, clock: systemClock, eventLog });
  await plane.start();
  cleanUp.push(() => plane.stop(0));
  return plane;
}

describe.skipIf(certificates === undefined).each(signallingAdapters)("SIPREC over TLS with SRTP on $title", ({ adapter, missing }) => {
  test.skipIf(missing !== "")("both legs are heard as they were spoken; plain RTP into them is not", async () => {
    const eventLog = new MemoryEventLog();
    const mediaPlane = await startedPlane(eventLog);
    const prepared = await prepareAdapter(adapter, certificates);
    cleanUp.push(() => prepared.stop());
    const under = await GatewayUnderTest.start({ settings: prepared.settings, eventLog, mediaPlane, trunk: { requireSrtp: true } });
    cleanUp.push(() => under.stop());

    const keys = [1, 2].map((label) => Buffer.alloc(30, label));
    const streams = keys.map(
      (key, i) =>
        `m=audio ${40_000 + 2 * i} RTP/SAVP 8\r\na=label:${i + 1}\r\na=sendonly\r\na=crypto:1 ${suite} inline:${key.toString("base64")}\r\n`,
    );
    const client = await under.client("tls");
    const answer = await client.start({ sdp: sdp(...streams), metadata: metadata() });
    expect(answer.status).toBe(200);
    const ports = [...answer.body.matchAll(/^m=audio (\d+) RTP\/SAVP 8/gm)].map(([, port]) => Number(port));
    expect(ports).toHaveLength(2);

    const sender = createSocket("udp4").bind(0, "127.0.0.1");
    await once(sender, "listening");
    cleanUp.push(() => sender.close());
    for (const [leg, port] of ports.entries())
      for (let sequence = 0; sequence < 10; sequence++) {
        const packet = (value: number) =>
          rtpPacket({ sequence, timestamp: sequence * 160, ssrc: leg + 7, payload: new Uint8Array(160).fill(value) });
        sender.send(packet(0xee), port, "127.0.0.1");
        sender.send(protect(suite, keys[leg]!, packet(0x20 + leg), 0), port, "127.0.0.1");
      }
    const heard = () => eventLog.values(topics.media.name).map((value) => decodeMediaChunk(value));
    await under.until(() => heard().length === 4, "two chunks of each leg");
    for (const { leg, payload } of heard()) expect([...new Set(payload)]).toEqual([0x20 + leg]);

    expect((await client.bye()).status).toBe(200);
    await under.until(() => under.calls("callEnded").length === 1, "the end of the call");
    expect(under.calls("callEnded")[0]?.termination).toBe("bye");
  });
});
