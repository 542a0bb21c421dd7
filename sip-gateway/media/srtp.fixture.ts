/** An SRTP sender for tests, written apart from the product's code. */
import { createCipheriv, createHmac } from "node:crypto";
import type { SrtpSuite } from "./port.ts";
import { deriveSessionKeys } from "./srtp.ts";

/** An independent sender: the packet index split as RFC 3711 section 4.1.1 writes the IV, with bigint. */
export function protect(suite: SrtpSuite, key: Uint8Array, packet: Uint8Array, roc: number): Uint8Array {
  const keys = deriveSessionKeys(suite, key, "rtp");
  const view = new DataView(packet.buffer);
  const index = (BigInt(roc) << 16n) | BigInt(view.getUint16(2));
  const salt = BigInt(`0x${Buffer.from(keys.salt).toString("hex")}`);
  const iv = (salt << 16n) ^ (BigInt(view.getUint32(8)) << 64n) ^ (index << 16n);
  const cipher = createCipheriv(
    suite.startsWith("AES_256") ? "aes-256-ctr" : "aes-128-ctr",
    keys.encryption,
    Buffer.from(iv.toString(16).padStart(32, "0"), "hex"),
  );
  const body = Buffer.concat([packet.subarray(0, 12), cipher.update(packet.subarray(12))]);
  const rocBytes = Buffer.alloc(4);
  rocBytes.writeUInt32BE(roc);
  const tag = createHmac("sha1", keys.authentication).update(body).update(rocBytes).digest();
  return new Uint8Array(Buffer.concat([body, tag.subarray(0, suite.endsWith("_32") ? 4 : 10)]));
}
