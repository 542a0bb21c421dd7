/** The S3 adapter against a real S3 server on loopback: the port's contract, large objects, and a server that goes away. */
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { appendFile, open as openFile, readdir } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";
import { tenantId } from "@earshot/proto/ids.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../clock/clock.ts";
import { silentLog } from "../../log/log.ts";
import { defaultPlatformSettings } from "../../settings.ts";
import { objectStoreContract, objectStoreLimits } from "../contract.ts";
import type { ObjectStore } from "../port.ts";
import { findS3Server, type S3Server, startS3Server } from "../testing/s3-server.ts";
import { createS3ObjectStore } from "./s3.ts";

const installed = findS3Server() !== undefined;
test.runIf(process.env.REQUIRE_SERVERS === "1")("an S3 server is installed", () => {
  expect(installed).toBe(true);
});

let server: S3Server;
beforeAll(async () => {
  if (installed) server = (await startS3Server())!;
});
afterAll(() => server?.dispose());

const MiB = 1024 * 1024;
const acme = tenantId("acme");

async function open(
  overrides: Partial<ReturnType<typeof defaultPlatformSettings>> = {},
  bucket: string = randomUUID(),
): Promise<{ store: ObjectStore; bucket: string }> {
  if (!(await readdir(server.data)).includes(bucket)) await server.makeBucket(bucket);
  const store = createS3ObjectStore({
    url: `s3://${bucket}/earshot`,
    clock: systemClock,
    log: silentLog,
    settings: {
      ...defaultPlatformSettings(),
      s3Endpoint: server.endpoint,
      s3Region: server.region,
      s3AccessKeyId: server.accessKeyId,
      s3SecretAccessKey: server.secretAccessKey,
      s3TimeoutMs: 1000,
      ...overrides,
    },
  });
  await store.start();
  return { store, bucket };
}

async function all(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

async function failure(work: Promise<unknown>): Promise<EarshotError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(EarshotError);
  return error as EarshotError;
}

describe.skipIf(!installed)("S3", () => {
  objectStoreContract("s3", async () => {
    const { store } = await open(objectStoreLimits);
    return { store, dispose: () => store.stop(1000) };
  });

  test("a large object goes up in parts and comes back whole, in ranges too", async () => {
    const { store } = await open({ s3PartBytes: 5 * MiB });
    const content = Buffer.alloc(12 * MiB + 17);
    for (let i = 0; i < content.length; i += 4) content.writeUInt32LE((i * 2_654_435_761) >>> 0, Math.min(i, content.length - 4));
    async function* pieces() {
      for (let at = 0; at < content.length; at += 700_001) yield content.subarray(at, at + 700_001);
    }
    const info = await store.put(acme, "recordings/long.wav", pieces());
    expect([info.bytes, info.sha256]).toEqual([content.length, createHash("sha256").update(content).digest("hex")]);
    expect(content.equals(await all(await store.get(acme, "recordings/long.wav")))).toBe(true);
    const across = await all(await store.get(acme, "recordings/long.wav", { start: 5 * MiB - 10, end: 5 * MiB + 9 }));
    expect(across.equals(content.subarray(5 * MiB - 10, 5 * MiB + 10))).toBe(true);
    expect((await store.stat(acme, "recordings/long.wav"))?.sha256).toBe(info.sha256);
    const listed = [];
    for await (const { key } of store.list(acme, "")) listed.push(key);
    expect(listed).toEqual(["tenants/acme/recordings/long.wav"]);
    await store.stop(1000);
  });

  test("a source that fails in the middle leaves nothing, of one part or of several", async () => {
    const { store } = await open({ s3PartBytes: 5 * MiB });
    for (const parts of [1, 3]) {
      async function* broken() {
        for (let i = 0; i < parts; i++) yield Buffer.alloc(4 * MiB);
        throw new Error("the disk is gone");
      }
      await expect(store.put(acme, "half", broken())).rejects.toThrow();
      expect(await store.stat(acme, "half")).toBeUndefined();
    }
    await store.stop(1000);
  });

  test("a server that is killed, paused and back: clear errors, nothing half stored, and it goes on by itself", async () => {
    const { store } = await open({ s3PartBytes: 5 * MiB, s3TimeoutMs: 500 });
    await store.put(acme, "kept", Buffer.from("kept"));
    async function* killedOnTheWay() {
      yield Buffer.alloc(6 * MiB);
      await server.kill();
      yield Buffer.alloc(6 * MiB);
    }
    const lost = await failure(store.put(acme, "lost", killedOnTheWay()));
    expect([lost.category, lost.code]).toEqual(["unavailable", "object_store_failed"]);
    expect((await failure(store.get(acme, "kept"))).category).toBe("unavailable");
    await server.restart();
    expect(await store.stat(acme, "lost")).toBeUndefined();
    expect((await all(await store.get(acme, "kept"))).toString()).toBe("kept");

    server.pause();
    const silent = await failure(store.put(acme, "silent", Buffer.from("x")));
    server.resume();
    expect(silent.code).toBe("object_store_failed");
    expect((await store.put(acme, "after", Buffer.from("after"))).bytes).toBe(5);
    await store.stop(1000);
  });

  test("an object whose bytes were changed on the server is not passed on as sound", async () => {
    const { store, bucket } = await open();
    await store.put(acme, "damaged", Buffer.from("0123456789"));
    await appendFile(join(server.data, bucket, "earshot/tenants/acme/damaged"), "!");
    const error = await failure(store.get(acme, "damaged").then(all));
    expect([error.category, error.code]).toEqual(["corrupt", "object_damaged"]);
    const inParts = await open({ s3PartBytes: 5 * MiB }, bucket);
    await inParts.store.put(acme, "in-parts", Buffer.alloc(11 * MiB));
    const file = await openFile(join(server.data, bucket, "earshot/tenants/acme/in-parts"), "r+");
    await file.write("!", 6 * MiB);
    await file.close();
    expect(await failure(inParts.store.get(acme, "in-parts").then(all))).toMatchObject({ category: "corrupt", code: "object_damaged" });
    await inParts.store.stop(1000);
    await store.stop(1000);
  });

  test("what is wrong with the settings is said at the start", async () => {
    const { bucket, store } = await open();
    await store.stop(1000);
    const starting = (settings: object, name = bucket) =>
      failure(
        createS3ObjectStore({
          url: `s3://${name}`,
          clock: systemClock,
          log: silentLog,
          settings: {
            ...defaultPlatformSettings(),
            s3Endpoint: server.endpoint,
            s3Region: server.region,
            s3AccessKeyId: server.accessKeyId,
            s3SecretAccessKey: server.secretAccessKey,
            s3TimeoutMs: 500,
            ...settings,
          },
        }).start(),
      );
    expect(await starting({}, "no-such-bucket")).toMatchObject({ category: "not_found", code: "bucket_missing" });
    const refused = await starting({ s3SecretAccessKey: "wrong" });
    expect(refused).toMatchObject({ category: "forbidden", code: "bucket_refused" });
    expect(`${refused.message} ${refused.remedy}`).not.toContain("wrong");
    // A bucket that this user sees but may not write to.
    const readOnly = createServer((request, response) => {
      request.resume();
      if (request.method === "HEAD") response.writeHead(200).end();
      else
        response.writeHead(403, { "Content-Type": "application/xml" }).end("<Error><Code>AccessDenied</Code><Message>No</Message></Error>");
    }).listen(0, "127.0.0.1");
    await once(readOnly, "listening");
    expect(await starting({ s3Endpoint: `http://127.0.0.1:${(readOnly.address() as AddressInfo).port}` })).toMatchObject({
      category: "forbidden",
      code: "bucket_refused",
    });
    readOnly.close();
    expect(await starting({ s3Endpoint: "http://127.0.0.1:9" })).toMatchObject({
      category: "unavailable",
      code: "object_store_unreachable",
    });
  });
});
