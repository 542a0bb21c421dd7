/** What the media pipeline can be told, and every limit it has. */
import { type SettingsOf, setting, z } from "@earshot/platform/config/settings.ts";

const ms = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

export const mediaPipelineSettings = {
  spoolDir: setting({
    env: "EARSHOT_SPOOL_DIR",
    schema: z.string().min(1),
    default: "",
    describe: "Folder for the audio of calls that are still up; empty = `spool` in EARSHOT_DATA_DIR.",
  }),
  vad: setting({
    env: "EARSHOT_VAD",
    schema: z.enum(["auto", "silero", "energy"]),
    default: "auto" as "auto" | "silero" | "energy",
    describe: "Speech detector: silero (must load), energy, or auto (silero where it loads, else energy).",
  }),
  vadThreshold: setting({
    env: "EARSHOT_VAD_THRESHOLD",
    schema: z.coerce.number().min(0.05).max(0.95),
    default: 0.5,
    describe: "Probability from which a 32 ms window is speech; it stays speech down to 0.15 less.",
  }),
  vadBatchIntervalMs: setting({
    env: "EARSHOT_VAD_BATCH_MS",
    schema: ms(0, 200),
    default: 20,
    describe: "How long windows of different calls are gathered before the speech detector runs on a batch that is not full.",
  }),
  vadQueueWindows: setting({
    env: "EARSHOT_VAD_QUEUE_WINDOWS",
    schema: ms(4, 60),
    default: 40,
    describe: "Windows of 32 ms a leg may have waiting for the speech detector.",
    atLimit: 'The oldest waiting window is judged by its energy alone and counted (earshot_vad_windows_total{how="overflow"}).',
  }),
  endpointPauseMs: setting({
    env: "EARSHOT_ENDPOINT_PAUSE_MS",
    schema: ms(100, 3000),
    default: 500,
    describe: "Pause in speech that ends an utterance.",
  }),
  preRollMs: setting({
    env: "EARSHOT_PRE_ROLL_MS",
    schema: ms(0, 1000),
    default: 200,
    describe: "Audio before the first voiced window that is given to the recogniser.",
  }),
  minSpeechMs: setting({
    env: "EARSHOT_MIN_SPEECH_MS",
    schema: ms(32, 1000),
    default: 96,
    describe: "Voiced audio from which on a sound is an utterance.",
  }),
  maxUtteranceMs: setting({
    env: "EARSHOT_MAX_UTTERANCE_MS",
    schema: ms(2000, 120_000),
    default: 30_000,
    describe: "Longest utterance.",
    atLimit: "It is split at the quietest point of its last second; speech goes on in a new utterance.",
  }),
  recognitionDeadlineMs: setting({
    env: "EARSHOT_RECOGNITION_DEADLINE_MS",
    schema: ms(1000, 600_000),
    default: 60_000,
    describe: "How long the recogniser may take for the final words after the end of an utterance.",
    atLimit: "The utterance is given up and its segment is marked as not recognised.",
  }),
  callEndDeadlineMs: setting({
    env: "EARSHOT_CALL_END_DEADLINE_MS",
    schema: ms(1000, 600_000),
    default: 60_000,
    describe: "How long the last words of a call are waited for after its end.",
    atLimit: "The recording and the final metrics go out; the ledger's transcript stage is marked failed.",
  }),
  callIdleMs: setting({
    env: "EARSHOT_CALL_IDLE_MS",
    schema: ms(60_000, 86_400_000),
    default: 14_400_000,
    describe: "A call without any audio and without an end for this long is finished as if it had ended.",
    atLimit: "The call is finished and its recording stored.",
  }),
  orphanCallMs: setting({
    env: "EARSHOT_ORPHAN_CALL_MS",
    schema: ms(5000, 3_600_000),
    default: 60_000,
    describe: "A call found in the spool at start of which nothing more is heard for this long is finished; not where workers share a log.",
    atLimit: "The call is finished and its recording stored.",
  }),
  maxCalls: setting({
    env: "EARSHOT_PIPELINE_MAX_CALLS",
    schema: ms(1, 100_000),
    default: 5000,
    describe: "Calls processed at once.",
    atLimit: "The call is not recorded nor transcribed; the ledger says so.",
  }),
  pendingCalls: setting({
    env: "EARSHOT_PENDING_CALLS",
    schema: ms(1, 10_000),
    default: 500,
    describe: "Calls whose audio came before their start, remembered at once.",
    atLimit: "Audio of further unknown calls is passed over and counted.",
  }),
  pendingMs: setting({
    env: "EARSHOT_PENDING_MS",
    schema: ms(100, 600_000),
    default: 15_000,
    describe: "How long it is remembered where the audio of a call lies whose start has not been seen.",
    atLimit: "The audio is passed over and counted.",
  }),
  callCheckpoints: setting({
    env: "EARSHOT_CALL_CHECKPOINTS",
    schema: z.enum(["auto", "on", "off"]),
    default: "auto" as "auto" | "on" | "off",
    describe:
      "Keep live calls so that another worker can go on with them: their state on the event log, their audio in the object store. auto = where the event log is not embedded.",
  }),
  checkpointIntervalMs: setting({
    env: "EARSHOT_CHECKPOINT_INTERVAL_MS",
    schema: ms(1000, 300_000),
    default: 5000,
    describe: "How often the state of a live call is saved.",
  }),
  checkpointPartBytes: setting({
    env: "EARSHOT_CHECKPOINT_PART_BYTES",
    schema: z.coerce.number().int().min(16_000).max(100_000_000),
    default: 320_000,
    describe:
      "New audio of a live call from which on it is put into the object store (two legs of 8 kHz: 32,000 bytes a second). At a hand-over all goes there; what is not there when a worker is lost is heard again from the event log.",
  }),
  handOverMs: setting({
    env: "EARSHOT_HAND_OVER_MS",
    schema: ms(500, 60_000),
    default: 3000,
    describe:
      "How long a worker that gives up a partition may take to save its calls: half of it at most their newest audio, then their state.",
    atLimit: "What audio is not stored by half of it the next worker hears again; without new states it goes on from those saved before.",
  }),
  standstillMs: setting({
    env: "EARSHOT_STANDSTILL_MS",
    schema: ms(1000, 60_000),
    default: 4000,
    describe:
      "A worker whose process stood still for longer publishes nothing until it has taken its calls up again from their saved state. Under the log's session timeout.",
  }),
  maxLegs: setting({
    env: "EARSHOT_MAX_LEGS",
    schema: ms(1, 64),
    default: 8,
    describe: "Legs of one call.",
    atLimit: "Audio of further legs is dropped and counted.",
  }),
  maxRecordingMs: setting({
    env: "EARSHOT_MAX_RECORDING_MS",
    // Two channels of 16-bit audio at 16 kHz for longer than 18.6 hours do not fit the 32-bit sizes of a WAV file.
    schema: ms(10_000, 64_800_000),
    default: 28_800_000,
    describe: "Longest recording of one call.",
    atLimit: "The recording ends there, the transcript goes on; the ledger says so.",
  }),
  maxSpoolBytes: setting({
    env: "EARSHOT_MAX_SPOOL_BYTES",
    schema: z.coerce.number().int().min(1_000_000),
    default: 50_000_000_000,
    describe: "Bytes of audio the spool of all live calls may hold.",
    atLimit: "Nothing more is recorded until calls end; the ledger of the calls concerned says so.",
  }),
  metricsIntervalMs: setting({
    env: "EARSHOT_CONVERSATION_INTERVAL_MS",
    schema: ms(500, 60_000),
    default: 5000,
    describe: "How often the conversation metrics of a live call are published.",
  }),
  silenceThresholdMs: setting({
    env: "EARSHOT_SILENCE_THRESHOLD_MS",
    schema: ms(200, 60_000),
    default: 3000,
    describe: "Length from which on silence of both sides is counted.",
  }),
  overtalkThresholdMs: setting({
    env: "EARSHOT_OVERTALK_THRESHOLD_MS",
    schema: ms(0, 10_000),
    default: 1000,
    describe: "Length from which on both sides speaking at once is overtalk.",
  }),
  listenLeaseMs: setting({
    env: "EARSHOT_LISTEN_LEASE_MS",
    schema: ms(1000, 600_000),
    default: 60_000,
    describe: "Longest lease of one request to listen.",
    atLimit: "A longer lease is shortened to this; it must be renewed.",
  }),
} as const;

export type MediaPipelineSettings = SettingsOf<typeof mediaPipelineSettings>;
