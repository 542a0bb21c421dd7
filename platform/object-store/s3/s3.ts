/**
 * Objects in an S3 bucket: `[prefix/]tenants/<tenant>/<name>`. Small objects are one PUT that carries their SHA-256; larger ones are uploaded in
 * parts, each with its own checksum, and their SHA-256 lies beside them under `[prefix/]checksums/`. The whole object appears or none of it.
 */
import { createHash, type Hash, randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { EarshotError } from "@earshot/proto/errors.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { Clock } from "../../clock/clock.ts";
import type { Log } from "../../log/log.ts";
import type { PlatformSettings } from "../../settings.ts";
import { objectKey, objectKeyPrefix } from "../object-name.ts";
import type { ByteRange, ObjectInfo, ObjectStore } from "../port.ts";
import { asStoreError, asUploadError, startFailure, statusOf } from "./failures.ts";
import { partsOf } from "./parts.ts";

export type S3ObjectStoreOptions = {
  /** `s3://bucket[/prefix]` */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: Pick<
    PlatformSettings,
    "maxObjectBytes" | "s3Endpoint" | "s3Region" | "s3AccessKeyId" | "s3SecretAccessKey" | "s3PartBytes" | "s3TimeoutMs"
  >;
};

export function createS3ObjectStore(options: S3ObjectStoreOptions): ObjectStore {
  return new S3ObjectStore(options);
}

const attempts = 3;
/** S3 takes no more parts of one object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const maxParts = 10_000;
/** Uploads that a crash left half done are given up after this: none that is under way takes so long. */
const abandonedMs = 24 * 3_600_000;
const headsAtOnce = 16;

class S3ObjectStore implements ObjectStore {
  readonly name = "object-store";
  readonly #options: S3ObjectStoreOptions;
  readonly #client: S3Client;
  readonly #bucket: string;
  /** "" or ends with a slash. */
  readonly #prefix: string;
  /** As large as the largest object that is taken needs. */
  readonly #partBytes: number;

  constructor(options: S3ObjectStoreOptions) {
    const { url, settings } = options;
    const [bucket = "", ...rest] = url.slice("s3://".length).split("/");
    const prefix = rest.filter((part) => part !== "").join("/");
    this.#options = options;
    this.#bucket = bucket;
    this.#prefix = prefix === "" ? "" : `${prefix}/`;
    this.#partBytes = Math.max(settings.s3PartBytes, Math.ceil(settings.maxObjectBytes / maxParts));
    this.#client = new S3Client({
      region: settings.s3Region,
      ...(settings.s3Endpoint === "" ? {} : { endpoint: settings.s3Endpoint, forcePathStyle: true }),
      ...(settings.s3AccessKeyId === ""
        ? {}
        : { credentials: { accessKeyId: settings.s3AccessKeyId, secretAccessKey: settings.s3SecretAccessKey } }),
      maxAttempts: attempts,
      // Every body has a SHA-256 of ours; the SDK's own CRC on top would be paid for twice.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: new NodeHttpHandler({
        connectionTimeout: settings.s3TimeoutMs,
        requestTimeout: settings.s3TimeoutMs,
        throwOnRequestTimeout: true,
        socketTimeout: settings.s3TimeoutMs,
      }),
    });
  }

  /** @throws EarshotError where bucket, credentials, their rights or the endpoint are wrong, with what to fix */
  async start(): Promise<void> {
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }));
      // A bucket that can be seen may still be closed to writing: better known now than at the end of the first call.
      const probe = { Bucket: this.#bucket, Key: `${this.#prefix}checksums/start-${randomUUID()}` };
      await this.#client.send(new PutObjectCommand({ ...probe, Body: "start" }));
      await this.#client.send(new HeadObjectCommand(probe));
      await this.#client.send(new DeleteObjectCommand(probe));
    } catch (cause) {
      throw startFailure(cause, this.#bucket);
    }
    await this.#giveUpAbandoned().catch((err) =>
      this.#options.log.warn({ err }, "object store: abandoned uploads could not be looked for"),
    );
  }

  async stop(): Promise<void> {
    this.#client.destroy();
  }

  async put(tenant: TenantId, name: string, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<ObjectInfo> {
    const key = objectKey(tenant, name);
    const hash = createHash("sha256");
    const limits = { partBytes: this.#partBytes, maxBytes: this.#options.settings.maxObjectBytes };
    const parts = partsOf(content, { ...limits, seen: (part) => hash.update(part) });
    const first = (await parts.next()).value ?? Buffer.alloc(0);
    const second = first.length < this.#partBytes ? undefined : (await parts.next()).value;
    let bytes = first.length;
    try {
      if (second === undefined) {
        const digest = hash.digest();
        await this.#client.send(
          new PutObjectCommand({
            Bucket: this.#bucket,
            Key: this.#prefix + key,
            Body: first,
            ContentLength: first.length,
            ChecksumSHA256: digest.toString("base64"),
            Metadata: { sha256: digest.toString("hex") },
          }),
        );
        return { key, bytes, modifiedAtMs: this.#options.clock.now(), sha256: digest.toString("hex") };
      }
      bytes += await this.#uploadParts(key, [first, second], parts, hash);
    } catch (cause) {
      throw asUploadError(cause);
    }
    return { key, bytes, modifiedAtMs: this.#options.clock.now(), sha256: hash.digest("hex") };
  }

  /**
   * The object's SHA-256 is known only after its metadata is set; so it is written beside it before the object appears, under the name of this
   * upload that the object's metadata carries: an older or a failed upload's checksum is never taken for it.
   * @returns bytes after the first part
   */
  async #uploadParts(key: string, ready: readonly Buffer[], more: AsyncIterator<Buffer>, hash: Hash): Promise<number> {
    const where = { Bucket: this.#bucket, Key: this.#prefix + key };
    const upload = randomUUID();
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({ ...where, ChecksumAlgorithm: "SHA256", Metadata: { upload } }),
    );
    try {
      const done: { PartNumber: number; ETag: string | undefined; ChecksumSHA256: string }[] = [];
      let bytes = 0;
      const send = async (part: Buffer): Promise<void> => {
        const PartNumber = done.length + 1;
        const ChecksumSHA256 = createHash("sha256").update(part).digest("base64");
        const { ETag } = await this.#client.send(
          new UploadPartCommand({ ...where, UploadId, PartNumber, Body: part, ContentLength: part.length, ChecksumSHA256 }),
        );
        done.push({ PartNumber, ETag, ChecksumSHA256 });
        if (PartNumber > 1) bytes += part.length;
      };
      for (const part of ready) await send(part);
      for (let next = await more.next(); next.done !== true; next = await more.next()) await send(next.value);
      const Body = `${upload} ${hash.copy().digest("hex")}`;
      await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: this.#checksumKey(key), Body, ContentType: "text/plain" }));
      await this.#client.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts: done } }));
      return bytes;
    } catch (error) {
      await this.#client
        .send(new AbortMultipartUploadCommand({ ...where, UploadId }))
        .catch(() => this.#options.log.warn({}, "object store: an upload that failed could not be given up; the next start does"));
      throw error;
    }
  }

  async get(tenant: TenantId, name: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const key = objectKey(tenant, name);
    const head = await this.#head(key);
    if (head === undefined) throw new EarshotError("not_found", "object_not_found", "There is no such object.");
    const size = head.ContentLength ?? 0;
    if (range !== undefined) {
      const { start, end } = range;
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end >= size)
        throw new EarshotError("invalid_request", "object_range_invalid", "A byte range lies outside the object.", {
          details: { start, end, size },
        });
    }
    return this.#read(key, range);
  }

  /** The request is made by the first read, so that a stream that nobody reads holds no connection. */
  async *#read(key: string, range: ByteRange | undefined): AsyncGenerator<Uint8Array> {
    let body: Readable | undefined;
    let expected: string | undefined;
    const hash = createHash("sha256");
    try {
      const answer = await this.#client.send(
        new GetObjectCommand({
          Bucket: this.#bucket,
          Key: this.#prefix + key,
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
        }),
      );
      body = answer.Body as Readable;
      // Of the very object that is being read: it may have been replaced since it was asked about.
      if (range === undefined) expected = answer.Metadata?.sha256 ?? (await this.#checksumBeside(key, answer.Metadata?.upload));
      for await (const part of body as AsyncIterable<Buffer>) {
        if (expected !== undefined) hash.update(part);
        yield part;
      }
    } catch (cause) {
      throw asStoreError(cause);
    } finally {
      body?.destroy();
    }
    if (expected !== undefined && hash.digest("hex") !== expected)
      throw new EarshotError("corrupt", "object_damaged", "An object is not what was stored: its SHA-256 differs.", {
        remedy: "Restore it from a backup, and look at the S3 server's disks.",
      });
  }

  async stat(tenant: TenantId, name: string): Promise<ObjectInfo | undefined> {
    return this.#info(objectKey(tenant, name));
  }

  async delete(tenant: TenantId, name: string): Promise<void> {
    const key = objectKey(tenant, name);
    try {
      for (const Key of [this.#prefix + key, this.#checksumKey(key)])
        await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }));
    } catch (cause) {
      // What is not there is deleted already; some servers say so.
      if (statusOf(cause) !== 404) throw asStoreError(cause);
    }
  }

  async *list(tenant: TenantId, prefix: string): AsyncIterable<ObjectInfo> {
    const Prefix = this.#prefix + objectKeyPrefix(tenant, prefix);
    let ContinuationToken: string | undefined;
    do {
      let page: { Contents?: { Key?: string | undefined }[] | undefined; NextContinuationToken?: string | undefined };
      try {
        page = await this.#client.send(
          new ListObjectsV2Command({ Bucket: this.#bucket, Prefix, ...(ContinuationToken === undefined ? {} : { ContinuationToken }) }),
        );
      } catch (cause) {
        throw asStoreError(cause);
      }
      // Folders that a server keeps as objects of their own end in a slash.
      const keys = (page.Contents ?? []).flatMap(({ Key }) =>
        Key === undefined || Key.endsWith("/") ? [] : Key.slice(this.#prefix.length),
      );
      for (let at = 0; at < keys.length; at += headsAtOnce)
        for (const info of await Promise.all(keys.slice(at, at + headsAtOnce).map((key) => this.#info(key))))
          if (info !== undefined) yield info;
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  async #head(key: string): Promise<HeadObjectCommandOutput | undefined> {
    try {
      return await this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#prefix + key }));
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      throw asStoreError(cause);
    }
  }

  async #info(key: string): Promise<ObjectInfo | undefined> {
    const head = await this.#head(key);
    if (head === undefined) return undefined;
    const bytes = head.ContentLength ?? 0;
    const sha256 = head.Metadata?.sha256 ?? (await this.#checksumBeside(key, head.Metadata?.upload)) ?? (await this.#sha256Of(key));
    return { key, bytes, modifiedAtMs: head.LastModified?.getTime() ?? 0, sha256 };
  }

  #checksumKey(key: string): string {
    return `${this.#prefix}checksums/${key}`;
  }

  /** undefined where there is none of this very upload. */
  async #checksumBeside(key: string, upload: string | undefined): Promise<string | undefined> {
    if (upload === undefined) return undefined;
    try {
      const answer = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: this.#checksumKey(key) }));
      const [of, sha256] = ((await answer.Body?.transformToString()) ?? "").split(" ");
      return of === upload ? sha256 : undefined;
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      throw asStoreError(cause);
    }
  }

  async #sha256Of(key: string): Promise<string> {
    const hash = createHash("sha256");
    for await (const part of this.#read(key, undefined)) hash.update(part);
    return hash.digest("hex");
  }

  async #giveUpAbandoned(): Promise<void> {
    const { Uploads = [] } = await this.#client.send(
      new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: `${this.#prefix}tenants/` }),
    );
    for (const { Key, UploadId, Initiated } of Uploads)
      if (Initiated !== undefined && this.#options.clock.now() - Initiated.getTime() > abandonedMs)
        await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId }));
  }
}
