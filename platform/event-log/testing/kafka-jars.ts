/** Fetches Apache Kafka's jars ahead of the tests, and prints where they lie. */
import { resolveKafkaJars } from "./kafka-broker.ts";

process.stdout.write(`${resolveKafkaJars()}\n`);
