/** Tokens for sessions and API keys: 256 random bits, of which only the SHA-256 is stored. No slow hash is needed: there is nothing to guess. */
import { createHash, randomBytes } from "node:crypto";

/** @param prefix tells people (and secret scanners) what it is, e.g. "ek" */
export function generateToken(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString("base64url")}`;
}

/** What is stored and looked up. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** A password for people to type once: 20 letters and digits that are not mistaken for each other, about 98 bits. */
export function generatePassword(): string {
  const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
  let password = "";
  while (password.length < 20) {
    // Bytes over the largest multiple of the alphabet are thrown away, so that no letter is likelier than another.
    for (const byte of randomBytes(32))
      if (byte < 256 - (256 % letters.length) && password.length < 20) password += letters[byte % letters.length];
  }
  return password;
}
