import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hashPassword, verifyPassword } from "./password.ts";
import { openSealedBox } from "./sealed-box.ts";
import { generatePassword, generateToken, hashToken } from "./token.ts";

describe("passwords", () => {
  test("the right one passes, every other fails, and no two hashes are alike", async () => {
    const [one, two] = await Promise.all([hashPassword("correct horse"), hashPassword("correct horse")]);
    expect(one).not.toBe(two);
    expect(one).not.toContain("correct");
    expect(await verifyPassword("correct horse", one)).toBe(true);
    expect(await verifyPassword("correct horsE", one)).toBe(false);
    expect(await verifyPassword("", one)).toBe(false);
  });

  test("composed and decomposed letters are the same password", async () => {
    expect(await verifyPassword("Mu\u0308ller", await hashPassword("Müller"))).toBe(true);
  });

  test.each(["", "plain", "scrypt$1$1$1$$", "scrypt$1e9$8$1$AAAA$AAAA", "scrypt$3$8$1$AAAA$AAAA", "bcrypt$32768$8$3$AAAA$AAAA"])(
    "a stored hash that is none is never right: %s",
    async (stored) => {
      expect(await verifyPassword("", stored)).toBe(false);
    },
  );
});

describe("tokens", () => {
  test("are long, distinct, and stored as their hash", () => {
    const tokens = new Set(Array.from({ length: 100 }, () => generateToken("ek")));
    expect(tokens.size).toBe(100);
    for (const token of tokens) expect(token).toMatch(/^ek_[A-Za-z0-9_-]{43}$/);
    expect(hashToken("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(generatePassword()).toMatch(/^[A-HJ-NP-Za-km-np-z2-9]{20}$/);
  });
});

describe("sealed box", () => {
  const directories: string[] = [];
  const fresh = async () => {
    const directory = await mkdtemp(join(tmpdir(), "earshot-sealed-"));
    directories.push(directory);
    return directory;
  };
  afterAll(async () => {
    for (const directory of directories) await rm(directory, { recursive: true, force: true });
  });
  const plain = new TextEncoder().encode("a secret");

  test("opens what it sealed, also after a restart; the key is its owner's only", async () => {
    const directory = await fresh();
    const sealed = (await openSealedBox(directory)).seal(plain, "acme/key");
    expect(Buffer.from(sealed).includes("secret")).toBe(false);
    expect(new TextDecoder().decode((await openSealedBox(directory)).open(sealed, "acme/key"))).toBe("a secret");
    expect((await stat(join(directory, "encryption.key"))).mode & 0o777).toBe(0o600);
  });

  test("refuses another context, another key, and any changed or missing byte", async () => {
    const box = await openSealedBox(await fresh());
    const sealed = box.seal(plain, "acme/key");
    const other = await openSealedBox(await fresh());
    const unreadable = expect.objectContaining({ category: "corrupt", code: "sealed_box_unreadable" });
    expect(() => box.open(sealed, "other/key")).toThrow(unreadable);
    expect(() => other.open(sealed, "acme/key")).toThrow(unreadable);
    for (let i = 0; i < sealed.length; i++) {
      const changed = Uint8Array.from(sealed);
      changed[i]! ^= 1;
      expect(() => box.open(changed, "acme/key")).toThrow(unreadable);
      expect(() => box.open(sealed.subarray(0, i), "acme/key")).toThrow(unreadable);
    }
  });

  test("a key file that is not a key stops the start", async () => {
    const directory = await fresh();
    await writeFile(join(directory, "encryption.key"), "short");
    await expect(openSealedBox(directory)).rejects.toMatchObject({ code: "encryption_key_invalid" });
  });
});
