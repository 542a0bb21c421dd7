/** Errors across a gRPC call, both ways: the category decides the status (proto/errors.ts), the rest travels beside it. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Category, categories, categoryOfGrpcStatus, EarshotError } from "@earshot/proto/errors.ts";
import { type ErrorDetail, ErrorDetailSchema } from "@earshot/proto/gen/earshot/v1/error_pb.js";
import { status as grpcStatus, Metadata, type ServiceError, type StatusObject } from "@grpc/grpc-js";

const detailKey = "earshot-error-bin";
/** What is longer was not written by us. */
const longestDetailBytes = 4096;

/** What a server answers instead of a message. Of an error that nobody expected it tells nothing. */
export function statusOf(error: unknown): Pick<StatusObject, "code" | "details" | "metadata"> {
  const known =
    error instanceof EarshotError
      ? error
      : new EarshotError("bug", "internal_error", "Something went wrong on our side.", { cause: error });
  const { category, code, remedy, retryAfterMs = 0 } = known;
  const metadata = new Metadata();
  const detail = create(ErrorDetailSchema, { category, code, remedy: remedy.slice(0, 1000), retryAfterMs: Math.ceil(retryAfterMs) });
  metadata.set(detailKey, Buffer.from(toBinary(ErrorDetailSchema, detail)));
  return { code: categories[category].grpc, details: known.message, metadata };
}

/**
 * What a client makes of a status that is not OK.
 * @param peer names the other side for the log, such as "recogniser"
 * @param cancelledHere this side gave the call up; CANCELLED without that is a server that went away
 */
export function errorOf(
  status: Pick<StatusObject, "code" | "details"> & { metadata?: Metadata },
  peer: string,
  cancelledHere: boolean,
): EarshotError {
  const detail = detailOf(status.metadata);
  const details = { peer, grpcStatus: status.code };
  if (detail !== undefined && detail.category in categories && detail.category !== "bug")
    return new EarshotError(detail.category as Category, detail.code, status.details, {
      remedy: detail.remedy,
      details,
      ...(detail.retryAfterMs > 0 ? { retryAfterMs: detail.retryAfterMs } : {}),
    });
  const category = status.code === grpcStatus.CANCELLED && !cancelledHere ? "unavailable" : categoryOfGrpcStatus(status.code);
  return new EarshotError(category, `grpc_${category}`, `The ${peer} answered with gRPC status ${status.code}.`, {
    details,
    // The text is the other side's own: it may repeat what was said or who called, and stays out of the message.
    remedy: remedies[category] ?? "",
  });
}

const remedies: Partial<Record<Category, string>> = {
  unavailable: "Check the server's address, its certificate and the network.",
  unauthenticated: "Check the key.",
  not_found: "Check that the address is that of a server of this service.",
};

/** Anything that a grpc-js client throws or emits. */
export function clientError(error: unknown, peer: string, cancelledHere: boolean): EarshotError {
  if (error instanceof EarshotError) return error;
  const { code, details, metadata } = (error ?? {}) as Partial<ServiceError>;
  if (typeof code === "number")
    return errorOf({ code, details: details ?? "", ...(metadata === undefined ? {} : { metadata }) }, peer, cancelledHere);
  return new EarshotError("unavailable", "grpc_call_failed", `The call to the ${peer} failed.`, { details: { peer }, cause: error });
}

function detailOf(metadata: Metadata | undefined): ErrorDetail | undefined {
  const bytes = metadata?.get(detailKey)[0];
  if (!Buffer.isBuffer(bytes) || bytes.length > longestDetailBytes) return undefined;
  try {
    return fromBinary(ErrorDetailSchema, bytes);
  } catch {
    return undefined;
  }
}
