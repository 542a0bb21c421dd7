/** What a Whisper model on the disk, and one that is loaded, offers. */
import { existsSync } from "node:fs";
import { join } from "node:path";

/** @see FromWhisper `ready` */
export type WhisperAbilities = {
  /** It was exported with its decoder's cross attentions, from which word times are read. Alignment heads alone, which all of OpenAI's name, do not do. */
  readonly wordTimes: boolean;
  /** BCP 47 primary tags; undefined = English alone, and it must not be told so. */
  readonly languages: readonly string[] | undefined;
};

/** Endings of the files, smallest and fastest on a CPU first; the names are those of transformers.js' `dtype`. */
const precisions = {
  q8: "_quantized",
  int8: "_int8",
  uint8: "_uint8",
  q4: "_q4",
  fp32: "",
  fp16: "_fp16",
  q4f16: "_q4f16",
  bnb4: "_bnb4",
} as const;
const parts = ["encoder_model", "decoder_model_merged"] as const;

type Precision = keyof typeof precisions;

/** @returns for each part of the model the best that lies in `folder`/onnx; q8 where there is none, whose absence the loader then names */
export function precisionsIn(folder: string): Record<(typeof parts)[number], Precision> {
  const found = (part: string): Precision =>
    (Object.keys(precisions) as Precision[]).find((one) => existsSync(join(folder, "onnx", `${part}${precisions[one]}.onnx`))) ?? "q8";
  return { encoder_model: found("encoder_model"), decoder_model_merged: found("decoder_model_merged") };
}

type LoadedModel = {
  readonly sessions?: Readonly<Record<string, { readonly outputNames?: readonly string[] }>>;
  readonly generation_config?: {
    readonly alignment_heads?: unknown;
    readonly is_multilingual?: boolean;
    readonly lang_to_id?: object;
  } | null;
};

/** @param model of transformers.js */
export function abilitiesOf(model: unknown): WhisperAbilities {
  const { sessions = {}, generation_config: config } = model as LoadedModel;
  const attentions = Object.values(sessions).some(({ outputNames = [] }) =>
    outputNames.some((name) => name.startsWith("cross_attentions")),
  );
  const named = Object.keys(config?.lang_to_id ?? {}).map((token) => token.replace(/[<|>]/g, ""));
  return {
    wordTimes: attentions && Array.isArray(config?.alignment_heads),
    languages: config?.is_multilingual === true && named.length > 0 ? named : undefined,
  };
}
