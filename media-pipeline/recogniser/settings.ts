/** Which speech engine, and each engine's settings and limits. */
import { availableParallelism } from "node:os";
import { type SettingsOf, setting, z } from "@earshot/platform/config/settings.ts";

const cores = availableParallelism();
const workers = Math.max(1, cores - 1);
const count = (most: number) => z.coerce.number().int().min(1).max(most);
const milliseconds = z.coerce.number().int().min(1).max(3_600_000);
const text = z.string().trim();

export const recogniserSettings = {
  asr: setting({
    env: "EARSHOT_ASR",
    schema: text,
    default: "auto",
    describe:
      "the speech engine: auto, grpc, openai, openai-realtime, huggingface, whisper, pocketsphinx, none, or a comma list to fall back along",
  }),
  asrInstall: setting({
    env: "EARSHOT_ASR_INSTALL",
    schema: z.stringbool(),
    default: true,
    describe: "true or false: may the start install pocketsphinx with apt-get where it runs as root on Debian and no other engine is set",
  }),
  utteranceTimeoutMs: setting({
    env: "EARSHOT_ASR_TIMEOUT_MS",
    schema: milliseconds,
    default: 30_000,
    describe: "milliseconds from the end of an utterance's audio until its words must be there",
    atLimit: "the utterance rejects with category timeout; a fallback chain then asks its next engine",
  }),
  utteranceAudioMs: setting({
    env: "EARSHOT_ASR_UTTERANCE_AUDIO_MS",
    schema: milliseconds,
    default: 60_000,
    describe: "milliseconds of audio kept per utterance for engines that take it whole, and for the next engine of a fallback chain",
    atLimit: "further audio of the utterance is dropped and its end rejects with code utterance_too_long",
  }),
  remoteConcurrency: setting({
    env: "EARSHOT_ASR_REMOTE_CONCURRENCY",
    schema: count(10_000),
    default: 16,
    describe: "requests under way at once to a remote engine (openai, huggingface)",
    atLimit: "finished utterances wait for their turn, up to EARSHOT_ASR_REMOTE_WAITING",
  }),
  remoteWaiting: setting({
    env: "EARSHOT_ASR_REMOTE_WAITING",
    schema: count(100_000),
    default: 256,
    describe: "utterances open beyond EARSHOT_ASR_REMOTE_CONCURRENCY for a remote engine",
    atLimit: "a new utterance is refused with category rate_limited",
  }),
  remoteRetries: setting({
    env: "EARSHOT_ASR_REMOTE_RETRIES",
    schema: z.coerce.number().int().min(0).max(10),
    default: 2,
    describe: "further attempts after a retryable failure of a remote engine, within EARSHOT_ASR_TIMEOUT_MS",
    atLimit: "the utterance rejects with the last failure",
  }),
  breakerFailures: setting({
    env: "EARSHOT_ASR_BREAKER_FAILURES",
    schema: count(1000),
    default: 3,
    describe: "failures in a row after which a fallback chain passes an engine over",
    atLimit: "the engine's circuit opens: utterances go to the next engine",
  }),
  breakerOpenMs: setting({
    env: "EARSHOT_ASR_BREAKER_OPEN_MS",
    schema: milliseconds,
    default: 30_000,
    describe: "milliseconds until one utterance tries a passed-over engine again",
  }),
  grpcUrl: setting({
    env: "EARSHOT_GRPC_ASR_URL",
    schema: z.string().regex(/^grpcs?:\/\/(\[[0-9a-fA-F:]+\]|[^\s:/?#@[\]]+):\d{1,5}$/, "is not grpc://host:port or grpcs://host:port"),
    default: "",
    describe:
      "speech recogniser of one's own (proto/schema/earshot/recogniser/v1): grpc://host:port, or grpcs:// with TLS; of a name with several addresses, utterances go to each in turn",
  }),
  grpcToken: setting({
    env: "EARSHOT_GRPC_ASR_TOKEN",
    schema: z.string().regex(/^[\x21-\x7e]{1,500}$/, "must be printable ASCII without spaces"),
    default: "",
    describe: "sent to the gRPC recogniser as authorization: Bearer",
    secret: true,
  }),
  grpcCaFile: setting({
    env: "EARSHOT_GRPC_ASR_CA_FILE",
    schema: text,
    default: "",
    describe: "PEM file of the authority that vouches for the gRPC recogniser; empty = those this machine trusts",
  }),
  grpcCertFile: setting({
    env: "EARSHOT_GRPC_ASR_CERT_FILE",
    schema: text,
    default: "",
    describe: "PEM file of the certificate shown to the gRPC recogniser, where it asks for one (mutual TLS)",
  }),
  grpcKeyFile: setting({
    env: "EARSHOT_GRPC_ASR_KEY_FILE",
    schema: text,
    default: "",
    describe: "PEM file of the key of EARSHOT_GRPC_ASR_CERT_FILE",
  }),
  grpcConnectMs: setting({
    env: "EARSHOT_GRPC_ASR_CONNECT_MS",
    schema: milliseconds,
    default: 10_000,
    describe: "milliseconds that the start, and each attempt at an utterance, waits for a connection to the gRPC recogniser",
    atLimit:
      "the start goes on without it; the attempt fails as unavailable and is made again (EARSHOT_ASR_REMOTE_RETRIES), then a fallback chain asks its next engine",
  }),
  grpcUtterances: setting({
    env: "EARSHOT_GRPC_ASR_UTTERANCES",
    schema: count(100_000),
    default: 256,
    describe: "utterances open at once at the gRPC recogniser",
    atLimit: "a new utterance is refused with category rate_limited",
  }),
  grpcAnswerBytes: setting({
    env: "EARSHOT_GRPC_ASR_ANSWER_BYTES",
    schema: z.coerce
      .number()
      .int()
      .min(1024)
      .max(64 * 1024 * 1024),
    default: 256 * 1024,
    describe: "largest single answer taken from the gRPC recogniser",
    atLimit: "the attempt fails and is made again",
  }),
  openaiApiKey: setting({
    env: "EARSHOT_OPENAI_API_KEY",
    schema: text,
    default: "",
    describe: "key for OpenAI or the compatible server",
    secret: true,
  }),
  openaiBaseUrl: setting({
    env: "EARSHOT_OPENAI_BASE_URL",
    schema: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]),
    default: "",
    describe: "http(s) address of an OpenAI-compatible server, up to and including /v1; empty = OpenAI",
  }),
  openaiModel: setting({
    env: "EARSHOT_OPENAI_MODEL",
    schema: text,
    default: "gpt-transcribe",
    describe: "transcription model; whisper-1 and most compatible servers also give word times",
  }),
  openaiRealtimeIdleMs: setting({
    env: "EARSHOT_OPENAI_REALTIME_IDLE_MS",
    schema: milliseconds,
    default: 120_000,
    describe: "milliseconds without speech after which a leg's realtime socket is closed; the next utterance opens a new one",
  }),
  openaiRealtimeSockets: setting({
    env: "EARSHOT_OPENAI_REALTIME_SOCKETS",
    schema: count(10_000),
    default: 200,
    describe: "realtime sockets open at once, one per leg",
    atLimit: "the longest idle socket is closed; where none is idle the utterance is refused with category rate_limited",
  }),
  huggingfaceToken: setting({
    env: "EARSHOT_HUGGINGFACE_TOKEN",
    schema: text,
    default: "",
    describe: "Hugging Face access token",
    secret: true,
  }),
  huggingfaceModel: setting({
    env: "EARSHOT_HUGGINGFACE_MODEL",
    schema: text,
    default: "openai/whisper-large-v3-turbo",
    describe: "Hugging Face speech recognition model",
  }),
  huggingfaceEndpoint: setting({
    env: "EARSHOT_HUGGINGFACE_ENDPOINT",
    schema: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]),
    default: "",
    describe: "address of a dedicated inference endpoint; empty = Hugging Face's own",
  }),
  whisperModel: setting({
    env: "EARSHOT_WHISPER_MODEL",
    schema: text,
    default: "onnx-community/whisper-base",
    describe:
      'model that local Whisper fetches once from Hugging Face, in ONNX form; of those exported with cross attentions ("..._timestamped") come word times too',
  }),
  whisperModelDir: setting({
    env: "EARSHOT_WHISPER_MODEL_DIR",
    schema: text,
    default: "",
    describe: "folder with a Whisper model in ONNX form, as transformers.js lays it out, in any precision; nothing is then downloaded",
  }),
  whisperQueue: setting({
    env: "EARSHOT_WHISPER_QUEUE",
    schema: count(10_000),
    default: 32,
    describe: "utterances open at once for local Whisper, which recognises one at a time",
    atLimit: "a new utterance is refused with category rate_limited",
  }),
  pocketsphinxWorkers: setting({
    env: "EARSHOT_POCKETSPHINX_WORKERS",
    schema: count(256),
    default: workers,
    defaultText: "one less than there are cores, at least 1",
    describe: "child processes that decode with pocketsphinx; default one per core but one",
  }),
  pocketsphinxDecoders: setting({
    env: "EARSHOT_POCKETSPHINX_DECODERS",
    schema: count(1024),
    default: 4 * workers,
    defaultText: "four for each worker",
    describe: "pocketsphinx decoders in all (about 100 MB each, made when first needed): utterances decoded at once",
    atLimit: "a new utterance waits for a decoder and keeps its audio meanwhile",
  }),
  pocketsphinxWaiting: setting({
    env: "EARSHOT_POCKETSPHINX_WAITING",
    schema: count(10_000),
    default: 64,
    describe: "utterances that may wait for a pocketsphinx decoder",
    atLimit: "a new utterance is refused with category rate_limited",
  }),
  pocketsphinxBacklogMs: setting({
    env: "EARSHOT_POCKETSPHINX_BACKLOG_MS",
    schema: milliseconds,
    default: 30_000,
    describe: "milliseconds of audio of one utterance that may wait to be decoded",
    atLimit: "further audio of the utterance is dropped and its end rejects with code recogniser_backlog_full",
  }),
  pocketsphinxPartialMs: setting({
    env: "EARSHOT_POCKETSPHINX_PARTIAL_MS",
    schema: milliseconds,
    default: 300,
    describe: "milliseconds of audio between two partial results of pocketsphinx",
  }),
  pocketsphinxLibraryDir: setting({
    env: "EARSHOT_POCKETSPHINX_LIBRARY_DIR",
    schema: text,
    default: "",
    describe: "folder of libpocketsphinx.so.3 and libsphinxbase.so.3; empty = the system's",
  }),
  pocketsphinxModelDir: setting({
    env: "EARSHOT_POCKETSPHINX_MODEL_DIR",
    schema: text,
    default: "",
    describe: "folder with en-us/, en-us.lm.bin and cmudict-en-us.dict; empty = the system's",
  }),
};

export type RecogniserSettings = SettingsOf<typeof recogniserSettings>;
