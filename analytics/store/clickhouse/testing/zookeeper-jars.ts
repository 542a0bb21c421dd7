/** Fetches Apache ZooKeeper's jars ahead of the tests, and prints where they lie. */
import { resolveJars } from "@earshot/platform/testing/maven-jars.ts";
import { zookeeperJars } from "./zookeeper.ts";

process.stdout.write(`${resolveJars(zookeeperJars)}\n`);
