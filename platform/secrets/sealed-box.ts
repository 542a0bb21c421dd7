/** Encryption at rest: AES-256-GCM under a key of this installation, which lies in the data directory, readable by its owner only. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const version = 1;

export type SealedBox = {
  /** @param context bound to the box, e.g. tenant and purpose: it opens only with the same one */
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** @throws EarshotError corrupt: changed, cut off, sealed for another context or with another key */
  open(box: Uint8Array, context: string): Uint8Array;
};

/** Reads the key file of the data directory, making it (mode 0600) where there is none. */
export async function openSealedBox(dataDirectory: string): Promise<SealedBox> {
  const path = join(dataDirectory, "encryption.key");
  await mkdir(dataDirectory, { recursive: true });
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(randomBytes(keyBytes));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  await chmod(path, 0o600);
  const key = await readFile(path);
  if (key.length !== keyBytes)
    throw new EarshotError("corrupt", "encryption_key_invalid", "The encryption key file is not 32 bytes.", {
      remedy: "Restore encryption.key in the data directory from a backup; without it, what was encrypted is lost.",
    });
  return createSealedBox(key);
}

export function createSealedBox(key: Uint8Array): SealedBox {
  return {
    seal(plain, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context));
      return Buffer.concat([Uint8Array.of(version), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(box, context) {
      try {
        if (box.length < 1 + nonceBytes + tagBytes || box[0] !== version) throw new RangeError("not a sealed box");
        const decipher = createDecipheriv("aes-256-gcm", key, box.subarray(1, 1 + nonceBytes), { authTagLength: tagBytes })
          .setAAD(Buffer.from(context))
          .setAuthTag(box.subarray(box.length - tagBytes));
        return Buffer.concat([decipher.update(box.subarray(1 + nonceBytes, box.length - tagBytes)), decipher.final()]);
      } catch (cause) {
        throw new EarshotError("corrupt", "sealed_box_unreadable", "Encrypted data cannot be opened.", {
          remedy: "Check that encryption.key in the data directory is the one it was sealed with.",
          cause,
        });
      }
    },
  };
}
