import type { Engine, EngineDeps, Looked } from "../engine.ts";
import { openaiRealtimeRecogniser } from "../openai-realtime/recogniser.ts";
import type { Recogniser } from "../port.ts";
import { openaiRecogniser } from "./recogniser.ts";

function look(deps: EngineDeps, make: (deps: EngineDeps) => Recogniser): Looked {
  const { settings } = deps;
  if (settings.openaiApiKey === "" && settings.openaiBaseUrl === "")
    return {
      usable: false,
      why: "neither EARSHOT_OPENAI_API_KEY nor EARSHOT_OPENAI_BASE_URL is set",
      remedy: "Set EARSHOT_OPENAI_API_KEY, or EARSHOT_OPENAI_BASE_URL for a compatible server.",
    };
  const why = settings.openaiApiKey === "" ? "EARSHOT_OPENAI_BASE_URL is set" : "EARSHOT_OPENAI_API_KEY is set";
  return { usable: true, why, make: () => make(deps) };
}

export const openai: Engine = { name: "openai", look: (deps) => look(deps, openaiRecogniser) };
export const openaiRealtime: Engine = { name: "openai-realtime", look: (deps) => look(deps, openaiRealtimeRecogniser) };
