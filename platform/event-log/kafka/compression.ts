/**
 * How audio is compressed on its way to Kafka. Nothing in G.711 repeats, but its values are far from evenly spread, and a record's ids are in its
 * neighbours too: zstd's entropy stage saves a third of a telephone line's bytes. The client would take zstd's default level, whose search for
 * repeats costs several times as much and finds nothing more. `npm run bench -- gateway-on-kafka` measures both ends of it.
 */
import { constants, zstdCompressSync } from "node:zlib";
import { compressionsAlgorithms } from "@platformatic/kafka";

/** Small tables: they are set up anew for every batch. */
const params = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_windowLog]: 16,
  [constants.ZSTD_c_hashLog]: 10,
};

/** Makes the client's zstd a cheap one, for every producer of the process: it has no setting for a codec's level, but its table of codecs is open. */
export function useFastZstd(): void {
  Object.assign(compressionsAlgorithms.zstd, {
    compressSync: (data: Buffer | { readonly buffer: Buffer }) => zstdCompressSync(Buffer.isBuffer(data) ? data : data.buffer, { params }),
  });
}
