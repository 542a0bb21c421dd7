/** Passwords, kept as scrypt hashes (RFC 7914): `scrypt$N$r$p$salt$hash`, base64url. */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";

// 32 MiB and about 80 ms each, the OWASP minimum for scrypt at r=8, p=3.
const cost = { N: 2 ** 15, r: 8, p: 3 } as const;
const hashBytes = 32;

function derive(password: string, salt: Buffer, { N, r, p }: { N: number; r: number; p: number }): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 128 * N * r * 2 };
  return new Promise((resolve, reject) =>
    scrypt(password.normalize("NFKC"), salt, hashBytes, options, (error, key) => (error ? reject(error) : resolve(key))),
  );
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, cost);
  return ["scrypt", cost.N, cost.r, cost.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** @returns false for a wrong password, and for a stored hash this code does not understand; takes the same time for either */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [scheme, n, r, p, salt, hash] = stored.split("$");
  const parameters = { N: Number(n), r: Number(r), p: Number(p) };
  const isUsable =
    scheme === "scrypt" &&
    Number.isInteger(Math.log2(parameters.N)) &&
    parameters.N >= 2 &&
    parameters.N <= 2 ** 20 &&
    parameters.r >= 1 &&
    parameters.r <= 32 &&
    parameters.p >= 1 &&
    parameters.p <= 16;
  const expected = Buffer.from(hash ?? "", "base64url");
  const derived = await derive(password, Buffer.from(salt ?? "", "base64url"), isUsable ? parameters : cost);
  return isUsable && expected.length === hashBytes && timingSafeEqual(derived, expected);
}
