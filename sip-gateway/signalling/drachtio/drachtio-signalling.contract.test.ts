import { systemClock } from "@earshot/platform/clock/clock.ts";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { silentLog } from "@earshot/platform/log/log.ts";
import { createMetrics } from "@earshot/platform/metrics/metrics.ts";
import { makeCertificates } from "@earshot/platform/testing/certificates.ts";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { gatewaySettings } from "../../settings.ts";
import { DrachtioServer, drachtioMissing } from "../../testing/drachtio-server.ts";
import { RecordingClient, sdp } from "../../testing/recording-client.ts";
import { type MakeSignalling, signallingChecks, tlsChecks } from "../contract.ts";
import { createSignalling } from "../create.ts";
import type { SipDialog, SipDialogHandlers, SipHandlers } from "../port.ts";
import { type DrachtioOptions, DrachtioSignalling } from "./drachtio-signalling.ts";

const servers: DrachtioServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const options = (url: string): DrachtioOptions => ({
  url,
  connectMs: 5000,
  advertisedAddress: "",
  maxMessageBytes: 65_536,
  maxHeaders: 100,
  maxMessagesPerSecond: 1000,
  maxPendingInvites: 100,
  retryAfterSeconds: 5,
  log: silentLog,
  metrics: createMetrics(),
  clock: systemClock,
});

const answer = { contentType: "application/sdp", content: sdp("m=audio 4000 RTP/AVP 0\r\n") };
/** Takes calls and makes nothing of them. */
const deaf: Omit<SipHandlers, "onInvite"> & SipDialogHandlers = {
  contactParameters: "",
  allow: ["INVITE", "ACK", "BYE"],
  supported: [],
  screenInvite: () => undefined,
  onOptions: () => ({ status: 200 }),
  onReinvite: () => {},
  onUpdate: () => {},
  onInfo: () => {},
  onAck: () => {},
  onBye: () => {},
  onAckTimeout: () => {},
};

const certificates = makeCertificates("sbc.example.com");
afterAll(() => certificates?.remove());

const make: MakeSignalling = async (handlers) => {
  const server = await DrachtioServer.start(certificates && { tls: certificates });
  servers.push(server);
  const signalling = new DrachtioSignalling(options(server.url));
  signalling.handle(handlers);
  await signalling.start();
  return signalling;
};

const missing = drachtioMissing();

describe.skipIf(missing !== "")(`SIP signalling on drachtio-server ${missing}`, () => {
  test.each(signallingChecks)("$name", ({ run }) => run(make));
  test.skipIf(certificates === undefined).each(tlsChecks)("$name", ({ run }) => run(make));

  test("a secret that the server refuses is told at the start, and not tried for ever", async () => {
    const server = await DrachtioServer.start();
    servers.push(server);
    const signalling = new DrachtioSignalling(options(server.url.replace("loop%20back", "wrong")));
    await expect(signalling.start()).rejects.toMatchObject({ code: "drachtio_secret_refused" });
  });

  test("a server that was away takes calls again as soon as it is back, and requests in between are answered 503", async () => {
    const first = await DrachtioServer.start();
    servers.push(first);
    const metrics = createMetrics();
    const signalling = new DrachtioSignalling({ ...options(first.url), metrics });
    const dialogs: SipDialog[] = [];
    let acknowledged = 0;
    const handlers = { ...deaf, onAck: () => void acknowledged++ };
    signalling.handle({ ...deaf, onInvite: (invite) => void dialogs.push(invite.accept({ status: 200, body: answer }, handlers)!) });
    await signalling.start();
    const port = signalling.listeners()[0]!.port;
    const clients: RecordingClient[] = [];
    const call = async (): Promise<number> => {
      const client = await RecordingClient.connect({ transport: "udp", port });
      clients.push(client);
      return (await client.start({ sdp: answer.content })).status;
    };
    const connected = async (): Promise<boolean> => /^earshot_sip_server_connected 1$/m.test(await metrics.expose());
    expect([await call(), await connected()]).toEqual([200, true]);

    await vi.waitUntil(() => acknowledged === 1, 3000);

    await first.stop();
    await vi.waitUntil(async () => !(await connected()), 3000);
    expect((await dialogs[0]!.bye([])).status).toBe(503);

    servers.push(await DrachtioServer.start({ ports: first }));
    await vi.waitUntil(connected, 10_000);
    expect(await call()).toBe(200);
    for (const client of clients) client.close();
    await signalling.stop(0);
  });
});

test("a server that is not there is told at the start", async () => {
  const signalling = new DrachtioSignalling({ ...options("drachtio://:secret@127.0.0.1:1"), connectMs: 300 });
  await expect(signalling.start()).rejects.toMatchObject({
    code: "drachtio_unreachable",
    message: expect.stringContaining("127.0.0.1:1 "),
  });
});

test.each(["tlsCertFile", "tlsKeyFile", "tlsCaFile"])("%s, which only SIP of our own reads, is refused with a server", (name) => {
  const settings = readSettings({ gateway: gatewaySettings }, { EARSHOT_SIP_SIGNALLING: "drachtio://:secret@127.0.0.1" }).values.gateway;
  const make = (changes: object) =>
    createSignalling({ ...settings, ...changes }, { log: silentLog, metrics: createMetrics(), clock: systemClock });
  expect(() => make({ [name]: "sip.pem" })).toThrow(expect.objectContaining({ code: "sip_tls_files_unused" }));
  expect(make({}).withoutTlsNames).toMatch(/does not pass on/);
});

test.each(["drachtio://127.0.0.1", "drachtio://user:secret@127.0.0.1", "drachtio:", "http://:secret@127.0.0.1", "embedded"])(
  "%s is no address of a server",
  (url) => {
    expect(gatewaySettings.signalling.schema.safeParse(url).success).toBe(false);
  },
);
