import { createHash, randomBytes } from "node:crypto";

/** What is stored of a session token or API key; they are random, so that a plain hash is enough. */
export const hashToken = (token: string): string => createHash("sha256").update(token).digest("hex");

export const newToken = (): string => randomBytes(32).toString("base64url");
