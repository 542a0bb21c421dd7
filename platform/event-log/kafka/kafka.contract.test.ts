import { afterAll, beforeAll, describe } from "vitest";
import { eventLogContract } from "../contract.ts";
import { KafkaBroker, kafkaMissing } from "../testing/kafka-broker.ts";
import { makeKafkaHarness } from "./harness.ts";

const missing = kafkaMissing();
let broker: KafkaBroker;

describe.skipIf(missing !== "")(`event log on a Kafka broker ${missing}`, () => {
  beforeAll(async () => {
    broker = await KafkaBroker.start();
  }, 120_000);
  afterAll(() => broker?.dispose());
  eventLogContract("kafka", () => makeKafkaHarness(broker));
});
