/** The recogniser as a process of its own (deploy/recogniser-server): where it listens, and its limits. */
import { type SettingsOf, setting, z } from "@earshot/platform/config/settings.ts";

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const file = z.string().trim();

export const recogniserServerSettings = {
  host: setting({
    env: "EARSHOT_RECOGNISER_HOST",
    schema: z.string().min(1).max(253),
    default: "127.0.0.1",
    describe:
      "address that the recogniser process binds; loopback unless told otherwise, because calls are heard there: give it a token or mutual TLS when opening it",
  }),
  port: setting({
    env: "EARSHOT_RECOGNISER_PORT",
    schema: whole(0, 65_535),
    default: 50_051,
    describe: "gRPC port of the recogniser process; 0 = any free one",
  }),
  token: setting({
    env: "EARSHOT_RECOGNISER_TOKEN",
    schema: z.string().regex(/^[\x21-\x7e]{1,500}$/, "must be printable ASCII without spaces"),
    default: "",
    describe: "what callers must send as authorization: Bearer; empty = anyone who reaches the port",
    secret: true,
  }),
  certFile: setting({
    env: "EARSHOT_RECOGNISER_CERT_FILE",
    schema: file,
    default: "",
    describe: "PEM file of the recogniser process's certificate; empty = plain text",
  }),
  keyFile: setting({
    env: "EARSHOT_RECOGNISER_KEY_FILE",
    schema: file,
    default: "",
    describe: "PEM file of the key of EARSHOT_RECOGNISER_CERT_FILE",
  }),
  clientCaFile: setting({
    env: "EARSHOT_RECOGNISER_CLIENT_CA_FILE",
    schema: file,
    default: "",
    describe: "PEM file of the authority whose certificate a caller must show (mutual TLS); empty = none",
  }),
  calls: setting({
    env: "EARSHOT_RECOGNISER_CALLS",
    schema: whole(1, 100_000),
    default: 1000,
    describe:
      "gRPC calls under way at once at the recogniser process; its engine takes fewer utterances (such as EARSHOT_POCKETSPHINX_WAITING)",
    atLimit: "a further one is refused with RESOURCE_EXHAUSTED; the caller tries again, or its next engine",
  }),
  messageBytes: setting({
    env: "EARSHOT_RECOGNISER_MESSAGE_BYTES",
    schema: whole(1024, 64 * 1024 * 1024),
    default: 1024 * 1024,
    describe: "largest message that the recogniser process takes",
    atLimit: "the utterance is ended with RESOURCE_EXHAUSTED",
  }),
  audioMs: setting({
    env: "EARSHOT_RECOGNISER_AUDIO_MS",
    schema: whole(100, 3_600_000),
    default: 120_000,
    describe: "longest utterance that the recogniser process takes (milliseconds of audio)",
    atLimit: "the utterance is ended with INVALID_ARGUMENT",
  }),
  idleMs: setting({
    env: "EARSHOT_RECOGNISER_IDLE_MS",
    schema: whole(100, 600_000),
    default: 30_000,
    describe: "how long a caller of the recogniser process may send neither audio nor the end of an utterance (milliseconds)",
    atLimit: "the utterance is ended with DEADLINE_EXCEEDED",
  }),
  connectionAgeMs: setting({
    env: "EARSHOT_RECOGNISER_CONNECTION_AGE_MS",
    schema: whole(1000, 86_400_000),
    default: 300_000,
    describe:
      "age at which a connection is asked to close after its utterances, so that callers find new recogniser processes (milliseconds)",
  }),
};

export type RecogniserServerSettings = SettingsOf<typeof recogniserServerSettings>;
