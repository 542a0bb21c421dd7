/** How the Kafka client is reached, out of EARSHOT_EVENT_LOG, and what its failures mean to an operator. */
import { EarshotError } from "@earshot/proto/errors.ts";
import { type BaseOptions, findErrorBy } from "@platformatic/kafka";

export type KafkaAddress = {
  readonly brokers: readonly string[];
  readonly user: { readonly name: string; readonly password: string } | undefined;
  readonly isTls: boolean;
  /** Before the name of every topic and group, so that installations can share a cluster. */
  readonly prefix: string;
};

/**
 * kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT][/PREFIX]; kafkas: for TLS.
 * @throws EarshotError invalid_request where it is not that
 */
export function parseKafkaUrl(url: string): KafkaAddress {
  const match = /^(kafkas?):\/\/(?:([^:@/]*):([^@/]*)@)?([^@/]+)(?:\/([\w.-]*))?$/.exec(url);
  const brokers = match?.[4]?.split(",") ?? [];
  if (match === null || brokers.some((broker) => !/^[\w.-]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(broker)))
    throw new EarshotError("invalid_request", "kafka_url_invalid", "EARSHOT_EVENT_LOG is not a Kafka address.", {
      remedy: "Write kafka://HOST:PORT, or kafka://USER:PASSWORD@HOST:PORT,HOST:PORT/PREFIX, kafkas:// for TLS; a password is URL-encoded.",
    });
  const [, scheme, name, password, , prefix] = match;
  return {
    brokers,
    user: name === undefined ? undefined : { name: decodeURIComponent(name), password: decodeURIComponent(password ?? "") },
    isTls: scheme === "kafkas",
    prefix: prefix === undefined || prefix === "" ? "" : `${prefix}.`,
  };
}

/** What every client of the adapter is made with. It does not retry by itself: the adapter does, and says so. */
export function clientOptions({ brokers, user, isTls }: KafkaAddress, clientId: string) {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    retries: 0,
    timeout: 10_000,
    connectTimeout: 3000,
    requestTimeout: 10_000,
    ...(isTls ? { tls: {} } : {}),
    ...(user === undefined ? {} : { sasl: { mechanism: "PLAIN", username: user.name, password: user.password } }),
  } satisfies BaseOptions;
}

/** The names (of Kafka's protocol) of what the servers said, or the client's own code. */
function reasons(error: unknown): string {
  const found = new Set<string>();
  const visit = (one: unknown): void => {
    if (!(one instanceof Error)) return;
    const { apiId, code } = one as { apiId?: unknown; code?: unknown };
    if (typeof apiId === "string") found.add(apiId);
    else if (typeof code === "string") found.add(code);
    visit(one.cause);
    if (one instanceof AggregateError) for (const inner of one.errors) visit(inner);
  };
  visit(error);
  return [...found].join(", ");
}

export const said = (error: unknown, apiId: string): boolean => error instanceof Error && findErrorBy(error, "apiId", apiId) !== null;

/** A failure of the client as one of ours, with what to fix. */
export function asEarshotError(error: unknown): EarshotError {
  if (error instanceof EarshotError) return error;
  const details = { reasons: reasons(error) };
  const more = (remedy: string) => ({ remedy, details, cause: error });
  const has = (code: string): boolean => details.reasons.includes(code);
  if (has("PLT_KFK_AUTHENTICATION") || has("SASL_AUTHENTICATION_FAILED") || has("UNSUPPORTED_SASL_MECHANISM"))
    return new EarshotError(
      "unauthenticated",
      "kafka_login_failed",
      "Kafka refuses the login.",
      more("Correct the user and password in EARSHOT_EVENT_LOG (SASL PLAIN, URL-encoded)."),
    );
  if (has("AUTHORIZATION_FAILED"))
    return new EarshotError(
      "forbidden",
      "kafka_permission_missing",
      "Kafka does not permit it.",
      more(
        "Allow the user of EARSHOT_EVENT_LOG to create, describe, alter, read and write the topics, and to read the groups (kafka-acls.sh).",
      ),
    );
  if (has("MESSAGE_TOO_LARGE") || has("RECORD_LIST_TOO_LARGE"))
    return new EarshotError(
      "invalid_request",
      "event_log_record_too_large",
      "A record is over the size limit of the Kafka topic.",
      more("Raise max.message.bytes of the topic, or lower EARSHOT_EVENT_LOG_MAX_RECORD_BYTES."),
    );
  return new EarshotError(
    "unavailable",
    "kafka_unavailable",
    "Kafka cannot be reached.",
    more("Check that the brokers in EARSHOT_EVENT_LOG run and can be reached from here, and that kafkas:// is used where they want TLS."),
  );
}
