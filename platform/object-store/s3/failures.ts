/** What the AWS SDK throws, in the words of the error table. */
import { EarshotError } from "@earshot/proto/errors.ts";

type SdkError = { name?: string; code?: string; $metadata?: { httpStatusCode?: number } };

/** HTTP status of the answer; undefined where there was none. */
export function statusOf(cause: unknown): number | undefined {
  return (cause as SdkError | undefined)?.$metadata?.httpStatusCode;
}

/** Of an upload: nothing that is missing is the object, so it is never `not_found`, and may be tried again. */
export function asUploadError(cause: unknown): unknown {
  return isOfServer(cause) ? failed(cause) : cause;
}

/** Whatever a request runs into while the product is up: nothing is wrong with the request, so it may be tried again. */
export function asStoreError(cause: unknown): unknown {
  if (!isOfServer(cause)) return cause;
  if (statusOf(cause) === 404 && (cause as SdkError).name !== "NoSuchBucket")
    return new EarshotError("not_found", "object_not_found", "There is no such object.", { cause });
  return failed(cause);
}

/** What the source of a put throws is the caller's own. */
function isOfServer(cause: unknown): boolean {
  const { $metadata, code, name = "" } = cause as SdkError;
  return !(cause instanceof EarshotError) && ($metadata !== undefined || code !== undefined || /timeout|network|abort/i.test(name));
}

function failed(cause: unknown): EarshotError {
  const { name = "", code = "" } = cause as SdkError;
  const status = statusOf(cause);
  if (status === 400 && /digest|checksum/i.test(name))
    return new EarshotError("unavailable", "object_store_failed", "The S3 server received other bytes than were sent.", {
      remedy: "Try again; where it stays so, look at what stands between Earshot and the S3 server.",
      cause,
    });
  return new EarshotError("unavailable", "object_store_failed", "The S3 server did not do what it was asked.", {
    remedy:
      status === 403
        ? "Check the rights of EARSHOT_S3_ACCESS_KEY_ID on the bucket."
        : "It is tried again where that is possible; check that the S3 server of EARSHOT_S3_ENDPOINT runs and has room.",
    details: { reason: name || code, ...(status === undefined ? {} : { status }) },
    cause,
  });
}

/** What is wrong with the settings, found at the start. */
export function startFailure(cause: unknown, bucket: string): EarshotError {
  const status = statusOf(cause);
  if (status === 404 || status === 301)
    return new EarshotError("not_found", "bucket_missing", `There is no bucket "${bucket}" at the S3 server in this region.`, {
      remedy: "Create it, or correct EARSHOT_OBJECT_STORE, EARSHOT_S3_REGION or EARSHOT_S3_ENDPOINT.",
      cause,
    });
  if (status === 403 || status === 401 || status === 400 || (cause as SdkError).name === "CredentialsProviderError")
    return new EarshotError("forbidden", "bucket_refused", `The S3 server refuses these credentials for the bucket "${bucket}".`, {
      remedy: "Check EARSHOT_S3_ACCESS_KEY_ID and EARSHOT_S3_SECRET_ACCESS_KEY, their rights on the bucket, and this machine's clock.",
      cause,
    });
  return new EarshotError("unavailable", "object_store_unreachable", "The S3 server cannot be reached.", {
    remedy: "Check EARSHOT_S3_ENDPOINT: scheme, host and port, and that the server runs.",
    details: { reason: (cause as SdkError).code ?? (cause as SdkError).name ?? "unknown" },
    cause,
  });
}
