import { setting } from "@earshot/platform/config/settings.ts";
import { z } from "zod";

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const liveSettings = {
  replayHours: setting({
    env: "EARSHOT_LIVE_REPLAY_HOURS",
    schema: z.coerce.number().min(1).max(168),
    default: 24,
    describe: "How far back a start looks for calls that are still up (hours).",
  }),
  endedCallMs: setting({
    env: "EARSHOT_LIVE_ENDED_MS",
    schema: whole(0, 600_000),
    default: 10_000,
    describe: "How long an ended call stays on the live board (ms).",
  }),
  batchMs: setting({
    env: "EARSHOT_LIVE_BATCH_MS",
    schema: whole(10, 2000),
    default: 100,
    describe: "Events of this time travel to the screens in one message (ms).",
  }),
  resumeBytes: setting({
    env: "EARSHOT_LIVE_RESUME_BYTES",
    schema: whole(100_000, 1_000_000_000),
    default: 1_000_000,
    describe:
      "Recent messages kept per tenant and API process for clients that reconnect (bytes); no more than EARSHOT_LIVE_SLOW_BYTES of them, which is the most that a client is sent at once.",
    atLimit: "The oldest go; a client that was away for longer gets a new snapshot.",
  }),
  resumeWaitMs: setting({
    env: "EARSHOT_LIVE_RESUME_WAIT_MS",
    schema: whole(0, 60_000),
    default: 2000,
    describe: "How long a client that comes from an API process which had read further waits for this one to read as far (ms).",
    atLimit: "It gets a new snapshot.",
  }),
  cursorSecret: setting({
    env: "EARSHOT_LIVE_CURSOR_SECRET",
    schema: z.string().max(1000),
    default: "",
    secret: true,
    describe:
      "Seals the cursors of live sockets; the same in every API process, so that one reads what another wrote. Without it each API process seals with a key of its own, kept in EARSHOT_DATA_DIR: enough for one, and where there are several a client that moves to another one gets a new snapshot.",
  }),
  upgradesPerMinute: setting({
    env: "EARSHOT_LIVE_UPGRADES_PER_MINUTE",
    schema: whole(1, 1_000_000),
    default: 6000,
    describe: "Live sockets that one source address may ask for per minute, per API process.",
    atLimit: "A further one is refused with 429 and Retry-After, before anything is looked up for it.",
  }),
  clientsPerTenant: setting({
    env: "EARSHOT_LIVE_CLIENTS",
    schema: whole(1, 100_000),
    default: 2000,
    describe: "Live sockets of one tenant at once, per API process.",
    atLimit: "A further one is refused with 503 and Retry-After.",
  }),
  clientMessageBytes: setting({
    env: "EARSHOT_LIVE_MESSAGE_BYTES",
    schema: whole(256, 1_000_000),
    default: 4096,
    describe: "Size of one message of a client.",
    atLimit: "The socket is closed with 1009.",
  }),
  clientMessagesPerSecond: setting({
    env: "EARSHOT_LIVE_MESSAGES_PER_SECOND",
    schema: whole(1, 1000),
    default: 20,
    describe: "Messages of one client per second.",
    atLimit: "The socket is closed with 1008.",
  }),
  slowBytes: setting({
    env: "EARSHOT_LIVE_SLOW_BYTES",
    schema: whole(16_384, 100_000_000),
    default: 1_000_000,
    describe: "Unsent bytes of one client from which it counts as slow.",
    atLimit: "It gets no further events until it has caught up, then one summary in their place.",
  }),
  slowMs: setting({
    env: "EARSHOT_LIVE_SLOW_MS",
    schema: whole(1000, 600_000),
    default: 30_000,
    describe: "How long a slow client may take to catch up (ms).",
    atLimit: "The socket is closed; the client reconnects and resumes.",
  }),
  hardBytes: setting({
    env: "EARSHOT_LIVE_HARD_BYTES",
    schema: whole(100_000, 1_000_000_000),
    default: 32_000_000,
    describe: "Unsent bytes of one client at most.",
    atLimit: "The socket is cut off.",
  }),
  listenedCallsPerClient: setting({
    env: "EARSHOT_LIVE_LISTEN_CALLS",
    schema: whole(1, 100),
    default: 4,
    describe: "Calls that one live socket may listen to at once.",
    atLimit: "A further one is answered with an error message.",
  }),
};
