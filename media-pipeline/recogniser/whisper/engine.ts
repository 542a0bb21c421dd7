import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine.ts";
import { whisperCacheFolder, whisperRecogniser } from "./recogniser.ts";

/** `auto` takes Whisper only where its model is here already: a start must not begin a large download nobody asked for. */
export const whisper: Engine = {
  name: "whisper",
  look(deps, asked) {
    const { settings } = deps;
    const make = () => whisperRecogniser(deps);
    if (settings.whisperModelDir !== "") {
      if (existsSync(join(settings.whisperModelDir, "config.json")))
        return { usable: true, why: "its model is in EARSHOT_WHISPER_MODEL_DIR", make };
      return {
        usable: false,
        why: "EARSHOT_WHISPER_MODEL_DIR has no config.json",
        remedy: "Point EARSHOT_WHISPER_MODEL_DIR at the folder of a Whisper model in ONNX form.",
      };
    }
    if (existsSync(join(whisperCacheFolder(deps.dataDir), settings.whisperModel, "config.json")))
      return { usable: true, why: "its model was fetched before", make };
    if (asked) return { usable: true, why: "its model will be fetched at the start", make };
    return {
      usable: false,
      why: "its model is not on this machine",
      remedy: "Set EARSHOT_ASR=whisper to fetch the model, or EARSHOT_WHISPER_MODEL_DIR to one in a folder.",
    };
  },
};
