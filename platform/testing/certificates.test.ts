import { afterEach, expect, test, vi } from "vitest";
import { makeCertificates } from "./certificates.ts";

afterEach(() => vi.unstubAllEnvs());

test("without openssl there are no certificates; where servers are required that is an error, not a skipped test", () => {
  vi.stubEnv("PATH", "/nowhere");
  vi.stubEnv("REQUIRE_SERVERS", "");
  expect(makeCertificates("a.example.com")).toBeUndefined();
  vi.stubEnv("REQUIRE_SERVERS", "1");
  expect(() => makeCertificates("a.example.com")).toThrow("openssl");
});
