/** A service of proto/gen as grpc-js knows services, and the types of its two sides. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";

/** A generated service, its methods by name. Client streaming is not bridged: nothing here uses it. */
export type Service = Omit<DescService, "method"> & { readonly method: Readonly<Record<string, Method>> };
type Method = Pick<DescMethod, "methodKind" | "input" | "output"> & DescMethod;

/** Which side of the three kinds of call a method is; I and O are its message descriptors. */
export type MethodShape<M, Unary, ServerStreaming, Bidi> = M extends { methodKind: "unary" }
  ? Unary
  : M extends { methodKind: "server_streaming" }
    ? ServerStreaming
    : M extends { methodKind: "bidi_streaming" }
      ? Bidi
      : never;
export type InputOf<M> = M extends { input: infer I extends DescMessage } ? MessageShape<I> : never;
export type OutputOf<M> = M extends { output: infer O extends DescMessage } ? MessageShape<O> : never;
export type InputInit<M> = M extends { input: infer I extends DescMessage } ? MessageInitShape<I> : never;
export type OutputInit<M> = M extends { output: infer O extends DescMessage } ? MessageInitShape<O> : never;

export type AnyDefinition = MethodDefinition<unknown, unknown>;

/** Messages go in as they may be written (init shapes) and come out whole. */
export function methodDefinition(service: Pick<DescService, "typeName">, method: DescMethod): AnyDefinition {
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream: method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming",
    responseStream: method.methodKind === "bidi_streaming" || method.methodKind === "server_streaming",
    requestSerialize: serialiser(method.input),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: serialiser(method.output),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

function serialiser(schema: DescMessage): (message: unknown) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, create(schema, message as MessageInitShape<typeof schema>));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
