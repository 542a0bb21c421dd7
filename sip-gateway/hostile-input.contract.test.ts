/** Whatever comes from the network: the process lives, the answer is a clear 4xx or a counted drop, and nothing leaks. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { GatewayUnderTest } from "./testing/gateway-under-test.ts";
import { payloads } from "./testing/pcap.ts";
import { metadata, pcmu, sdp, twoStreams } from "./testing/recording-client.ts";

let under: GatewayUnderTest;
afterEach(async () => {
  await under.stop();
});

/** The gateway still records, and holds only what that call needs. */
async function stillWorks(): Promise<void> {
  expect([under.gateway.liveCalls(), under.media.usedPairs]).toEqual([0, 0]);
  const client = await under.client();
  expect((await client.start()).status).toBe(200);
  expect((await client.bye()).status).toBe(200);
  expect([under.gateway.liveCalls(), under.media.usedPairs]).toEqual([0, 0]);
}

/** Small deterministic generator, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("random datagrams and bent INVITEs", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  const next = random(1);
  client.sendInvite({ sdp: "v=0\r\n", metadata: metadata() });
  const valid = Buffer.from(client.lastInvite);
  for (let i = 0; i < 1500; i++) {
    const bytes =
      i % 3 === 0 ? Buffer.from(Array.from({ length: Math.floor(next() * 300) }, () => Math.floor(next() * 256))) : Buffer.from(valid);
    if (i % 3 !== 0) for (let flips = 0; flips < 1 + (i % 20); flips++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    client.wire.send(i % 3 === 2 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes);
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await client.wire.next((one) => one.status >= 400, "a refusal");
  await stillWorks();
});

test.each([
  [
    "1,000 m-lines",
    { sdp: sdp(...Array.from({ length: 1000 }, (_, i) => `m=audio ${1024 + i} RTP/AVP 0\r\n`)), metadata: metadata() },
    488,
  ],
  ["a session description of one endless line", { sdp: `v=0\r\ns=${"x".repeat(30_000)}`, metadata: metadata() }, 400],
  ["1,000 body parts", { body: { contentType: "multipart/mixed;boundary=x", content: `${"--x\r\n\r\n\r\n".repeat(1000)}--x--` } }, 400],
  [
    "a boundary that could backtrack",
    { body: { contentType: `multipart/mixed;boundary="${"-".repeat(1000)}"`, content: "-".repeat(20_000) } },
    400,
  ],
  ["250 headers", { sdp: twoStreams(), metadata: metadata(), headers: Array.from({ length: 250 }, (_, i) => `X-${i}: y`) }, 400],
  ["a header of 20,000 characters", { sdp: twoStreams(), metadata: metadata(), headers: [`X-Long: ${"y".repeat(20_000)}`] }, 400],
  [
    "a compressed body",
    { body: { contentType: "application/sdp", content: twoStreams() }, headers: ["Require: siprec", "Content-Encoding: gzip"] },
    415,
  ],
])("%s", async (_, options, status) => {
  under = await GatewayUnderTest.start();
  const client = await under.client("tcp");
  const began = performance.now();
  expect((await client.invite(options)).status).toBe(status);
  expect(performance.now() - began).toBeLessThan(1000);
  await stillWorks();
});

test("an XML bomb costs nothing but its metadata", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client("tcp");
  const entities = Array.from({ length: 20 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`);
  const bomb = `<?xml version="1.0"?><!DOCTYPE recording [<!ENTITY e0 "lol">${entities.join("")}]><recording>&e20;</recording>`;
  expect((await client.start({ sdp: twoStreams(), metadata: bomb })).status).toBe(200);
  await client.bye();
  const deep = await under.client("tcp");
  expect((await deep.start({ sdp: twoStreams(), metadata: `<recording>${"<a>".repeat(10_000)}` })).status).toBe(200);
  await deep.bye();
  await stillWorks();
});

test("nesting that would overflow a recursive grammar", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client("tcp");
  for (const name of ["From", "To", "Contact", "Via"]) {
    const text = client.message("OPTIONS").replace(new RegExp(`^${name}: .*$`, "m"), `${name}: ${"(".repeat(9000)}<sip:a@b>`);
    client.wire.send(text);
  }
  expect((await (await under.client()).request("OPTIONS")).status).toBe(200);
  await stillWorks();
});

test("streams that are offered, removed and added for ever", async () => {
  under = await GatewayUnderTest.start();
  const client = await under.client();
  await client.start({ sdp: sdp(pcmu(1)), metadata: metadata() });
  let last = 200;
  for (let i = 0; i < 70 && last === 200; i++) {
    await client.start({ sdp: sdp(pcmu(1, 0)) });
    last = (await client.start({ sdp: sdp(pcmu(1)) })).status;
  }
  expect(last).toBe(488);
  expect(under.media.usedPairs).toBe(0);
  await client.bye();
  await stillWorks();
});

const captures = join(import.meta.dirname, "../../shared/data/pcap-rtp");
const files = existsSync(captures)
  ? readdirSync(captures, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".pcap") && !file.startsWith("sipp"))
  : [];

test.skipIf(files.length === 0)("captured and torture messages, over UDP and TCP", async () => {
  under = await GatewayUnderTest.start();
  const udp = await under.client();
  let sent = 0;
  for (const file of files) {
    const tcp = await under.client("tcp");
    for (const payload of payloads(readFileSync(join(captures, file))).slice(0, 200)) {
      udp.wire.send(payload.subarray(0, 60_000));
      tcp.wire.send(payload);
      if (++sent % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  expect(sent).toBeGreaterThan(20);
  await stillWorks();
});
