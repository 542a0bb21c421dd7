/** Which speech engine: the one EARSHOT_ASR names, or the best that can be used here. */
import { EarshotError } from "@earshot/proto/errors.ts";
import type { Engine, EngineDeps, Looked } from "./engine.ts";
import { fallbackRecogniser } from "./fallback.ts";
import { grpc } from "./grpc/engine.ts";
import { huggingface } from "./huggingface/engine.ts";
import { howToGetAnEngine, noRecogniser } from "./none.ts";
import { openai, openaiRealtime } from "./openai/engine.ts";
import { pocketsphinx } from "./pocketsphinx/engine.ts";
import type { Recogniser, SpeechStatus } from "./port.ts";
import { whisper } from "./whisper/engine.ts";
import { wrapped } from "./wrapped.ts";

/** Best first: `auto` takes the first that can be used. */
const byMerit: readonly Engine[] = [grpc, openai, huggingface, whisper, pocketsphinx];
const named: readonly Engine[] = [...byMerit, openaiRealtime];

export type Choice = { readonly recogniser: Recogniser; readonly status: SpeechStatus };

/**
 * Looks at this machine and the settings; starts and fetches nothing.
 * @throws EarshotError invalid_request where EARSHOT_ASR names an engine that is unknown or cannot be used here
 */
export async function chooseRecogniser(deps: Omit<EngineDeps, "dataDir"> & { readonly dataDir?: string }): Promise<Choice> {
  const all: EngineDeps = { dataDir: "data", ...deps };
  const names = namesOf(all.settings.asr);
  if (names.length === 1 && names[0] === "none")
    return without("switched off by EARSHOT_ASR=none", "Set EARSHOT_ASR=auto to use the best engine there is.");
  if (names.length === 1 && names[0] === "auto") return automatic(all);
  if (new Set(names).size < names.length)
    throw new EarshotError("invalid_request", "speech_engine_twice", "EARSHOT_ASR names an engine twice.", {
      remedy: "Name each engine once, best first.",
    });
  const chosen = names.map((name) => asked(name, all));
  const why = chosen.map((one, i) => `${names[i]}: ${one.why}`).join("; ");
  const recogniser =
    chosen.length === 1
      ? chosen[0]!.make()
      : fallbackRecogniser(
          chosen.map((one) => one.make()),
          all,
        );
  return { recogniser, status: { engine: names.join(", then "), usable: true, reason: `asked for by EARSHOT_ASR (${why})`, remedy: "" } };
}

function automatic(deps: EngineDeps): Choice {
  const passed: string[] = [];
  for (const engine of byMerit) {
    const looked = engine.look(deps, false);
    if (looked.usable) {
      const others = passed.length === 0 ? "" : `; looked at before: ${passed.join("; ")}`;
      const status = { engine: engine.name, usable: true, reason: `${looked.why}${others}`, remedy: "" };
      return { recogniser: startingOrDeaf(looked.make(), status, deps), status };
    }
    passed.push(`${engine.name} (${looked.why})`);
  }
  return without(`no engine can be used: ${passed.join("; ")}`, howToGetAnEngine);
}

/** Nobody asked for this engine by name: where it cannot be started after all, everything else starts, and `status` says why. */
function startingOrDeaf(
  recogniser: Recogniser,
  status: { -readonly [K in keyof SpeechStatus]: SpeechStatus[K] },
  deps: EngineDeps,
): Recogniser {
  let failure: EarshotError | undefined;
  return wrapped(recogniser, {
    async start() {
      try {
        await recogniser.start();
      } catch (error) {
        failure =
          error instanceof EarshotError
            ? error
            : new EarshotError("unavailable", "recogniser_not_started", "The speech engine could not be started.", { cause: error });
        Object.assign(status, { usable: false, reason: failure.message, remedy: failure.remedy || howToGetAnEngine });
        deps.log.error({ engine: recogniser.id, err: failure }, "speech engine could not be started; calls will have no transcript");
      }
    },
    stop: (deadlineMs) => (failure === undefined ? recogniser.stop(deadlineMs) : Promise.resolve()),
    utterance(options) {
      if (failure !== undefined) throw failure;
      return recogniser.utterance(options);
    },
  });
}

function without(reason: string, remedy: string): Choice {
  return { recogniser: noRecogniser(), status: { engine: "none", usable: false, reason, remedy } };
}

function namesOf(setting: string): string[] {
  const names = setting
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
  return names.length === 0 ? ["auto"] : names;
}

function asked(name: string, deps: EngineDeps): Extract<Looked, { usable: true }> {
  const engine = named.find((candidate) => candidate.name === name);
  if (engine === undefined)
    throw new EarshotError(
      "invalid_request",
      "unknown_speech_engine",
      `EARSHOT_ASR names an engine that does not exist: ${name.slice(0, 40)}.`,
      {
        remedy: `Use auto, none, or one or more of ${named.map((candidate) => candidate.name).join(", ")}.`,
      },
    );
  const looked = engine.look(deps, true);
  if (looked.usable) return looked;
  throw new EarshotError(
    "invalid_request",
    "speech_engine_unusable",
    `EARSHOT_ASR asks for ${name}, which cannot be used here: ${looked.why}.`,
    {
      remedy: looked.remedy,
    },
  );
}
