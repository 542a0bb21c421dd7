import type { Engine } from "../engine.ts";
import { huggingfaceRecogniser } from "./recogniser.ts";

export const huggingface: Engine = {
  name: "huggingface",
  look(deps) {
    const { settings } = deps;
    if (settings.huggingfaceToken === "" && settings.huggingfaceEndpoint === "")
      return {
        usable: false,
        why: "neither EARSHOT_HUGGINGFACE_TOKEN nor EARSHOT_HUGGINGFACE_ENDPOINT is set",
        remedy: "Set EARSHOT_HUGGINGFACE_TOKEN, or EARSHOT_HUGGINGFACE_ENDPOINT for a dedicated endpoint.",
      };
    const why = settings.huggingfaceToken === "" ? "EARSHOT_HUGGINGFACE_ENDPOINT is set" : "EARSHOT_HUGGINGFACE_TOKEN is set";
    return { usable: true, why, make: () => huggingfaceRecogniser(deps) };
  },
};
