import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSettings } from "@earshot/platform/config/settings.ts";
import { afterAll, describe, expect, it } from "vitest";
import { chooseRecogniser } from "./choose.ts";
import { rejects } from "./contract.ts";
import { type RecogniserSettings, recogniserSettings } from "./settings.ts";
import { engineDeps } from "./testing/deps.ts";

const folder = mkdtempSync(join(tmpdir(), "earshot-choose-"));
afterAll(() => rmSync(folder, { recursive: true }));
/** Looks like an installation to whoever only looks. */
const fakeInstallation = join(folder, "pocketsphinx");
mkdirSync(join(fakeInstallation, "en-us"), { recursive: true });
for (const name of ["libpocketsphinx.so.3", "libsphinxbase.so.3", "en-us.lm.bin", "cmudict-en-us.dict", "en-us/mdef"])
  writeFileSync(join(fakeInstallation, name), "");

const present = { pocketsphinxLibraryDir: fakeInstallation, pocketsphinxModelDir: fakeInstallation };
const absent = { pocketsphinxLibraryDir: join(folder, "nowhere"), pocketsphinxModelDir: join(folder, "nowhere") };
const choose = (settings: Partial<RecogniserSettings>, dataDir = folder) => chooseRecogniser(engineDeps(settings, dataDir));

describe("auto", () => {
  it("takes OpenAI where a key is set, even with others at hand", async () => {
    const { recogniser, status } = await choose({ openaiApiKey: "k", huggingfaceToken: "h", ...present });
    expect([recogniser.id, status.engine, status.usable]).toEqual(["openai", "openai", true]);
    expect(status.reason).toContain("EARSHOT_OPENAI_API_KEY");
  });

  it("then Hugging Face, then a Whisper model that is here, then pocketsphinx, and says what it looked at before", async () => {
    expect((await choose({ huggingfaceToken: "h", ...present })).recogniser.id).toBe("huggingface");
    const model = join(folder, "models", "onnx-community", "whisper-base");
    mkdirSync(model, { recursive: true });
    writeFileSync(join(model, "config.json"), "{}");
    expect((await choose(present)).recogniser.id).toBe("whisper");
    const { recogniser, status } = await choose(present, join(folder, "empty"));
    expect(recogniser.id).toBe("pocketsphinx");
    expect(status.reason).toMatch(/openai .*huggingface .*whisper/);
  });

  it("starts everything else where the engine found cannot be started after all, and the status says so", async () => {
    const { recogniser, status } = await choose(present, join(folder, "empty"));
    await recogniser.start();
    expect(status).toMatchObject({ engine: "pocketsphinx", usable: false, remedy: expect.stringContaining("apt-get") });
    expect(() => recogniser.utterance({} as never)).toThrow("could not be started");
    await recogniser.stop(0);
  });

  it("is none where nothing is usable: one line says how to get an engine, and start and stop work", async () => {
    const { recogniser, status } = await choose(absent, join(folder, "empty"));
    expect([recogniser.id, status.usable]).toEqual(["none", false]);
    expect(status.remedy).toContain("apt-get install libpocketsphinx3 pocketsphinx-en-us");
    expect(status.remedy).toContain("EARSHOT_OPENAI_API_KEY");
    expect(status.remedy).not.toContain("\n");
    await recogniser.start();
    expect(() => recogniser.utterance({} as never)).toThrow("No speech engine");
    await recogniser.stop(0);
  });
});

describe("engines asked for by name", () => {
  it("takes the one asked for although a better one is at hand", async () => {
    expect((await choose({ asr: "pocketsphinx", openaiApiKey: "k", ...present })).recogniser.id).toBe("pocketsphinx");
    expect((await choose({ asr: "openai-realtime", openaiApiKey: "k" })).recogniser.id).toBe("openai-realtime");
  });

  it("none is none, and says so", async () => {
    expect((await choose({ asr: "none", ...present })).status).toMatchObject({
      engine: "none",
      usable: false,
      reason: "switched off by EARSHOT_ASR=none",
    });
  });

  it("makes a chain of several", async () => {
    const { recogniser, status } = await choose({ asr: "openai, pocketsphinx", openaiApiKey: "k", ...present });
    expect(recogniser.id).toBe("fallback(openai,pocketsphinx)");
    expect(status.engine).toBe("openai, then pocketsphinx");
  });

  for (const [asr, code] of [
    ["pocketsphinx", "speech_engine_unusable"],
    ["openai", "speech_engine_unusable"],
    ["openai,pocketsphinx", "speech_engine_unusable"],
    ["huggingface", "speech_engine_unusable"],
    ["siri", "unknown_speech_engine"],
    ["auto,openai", "unknown_speech_engine"],
    ["openai,openai", "speech_engine_twice"],
  ] as const)
    it(`${asr}: a clear fault (${code}) where it cannot be`, async () => {
      const error = await rejects(choose({ asr, ...absent }), "invalid_request");
      expect(error.code).toBe(code);
      expect(error.remedy).not.toBe("");
    });

  it("whisper with a folder that holds no model is a fault", async () => {
    const error = await rejects(choose({ asr: "whisper", whisperModelDir: join(folder, "nowhere") }), "invalid_request");
    expect(error.message).toContain("EARSHOT_WHISPER_MODEL_DIR");
  });
});

describe("settings", () => {
  it("read from the environment; secrets are marked and never shown in a fault", () => {
    const { values, faults } = readSettings(
      { recogniser: recogniserSettings },
      { EARSHOT_ASR_INSTALL: "false", EARSHOT_POCKETSPHINX_WORKERS: "3" },
    );
    expect(faults).toEqual([]);
    expect(values.recogniser).toMatchObject({ asr: "auto", asrInstall: false, pocketsphinxWorkers: 3 });
    expect([recogniserSettings.openaiApiKey.secret, recogniserSettings.huggingfaceToken.secret]).toEqual([true, true]);
  });

  it("refuses nonsense", () => {
    const given = { EARSHOT_POCKETSPHINX_DECODERS: "0", EARSHOT_OPENAI_BASE_URL: "ftp://x", EARSHOT_ASR_INSTALL: "perhaps" };
    expect(
      readSettings({ recogniser: recogniserSettings }, given)
        .faults.map(({ env }) => env)
        .sort(),
    ).toEqual(Object.keys(given).sort());
  });
});
