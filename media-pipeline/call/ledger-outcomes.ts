/** What the ledger says of a call's transcript and recording when they are closed: outcome, reason and remedy. */

export type StageOutcome = { readonly outcome: "done" | "failed" | "skipped"; readonly detail: string; readonly remedy: string };

export type TranscriptFacts = {
  readonly inTime: boolean;
  readonly engine: string;
  readonly segments: number;
  readonly failed: number;
  readonly lastFailure: { readonly detail: string; readonly remedy: string };
};

export function transcriptOutcome({ inTime, engine, segments, failed, lastFailure }: TranscriptFacts): StageOutcome {
  if (!inTime) {
    return {
      outcome: "failed",
      detail: "The last words were not recognised before the deadline.",
      remedy: "Look at the speech engine's load, or raise EARSHOT_CALL_END_DEADLINE_MS.",
    };
  }
  if (engine === "none") {
    const remedy = lastFailure.remedy === "" ? "Set EARSHOT_ASR to an engine." : lastFailure.remedy;
    return { outcome: "skipped", detail: "No speech engine is in use.", remedy };
  }
  if (failed > 0) {
    const detail = `${failed} of ${segments + failed} utterances were not recognised. Last reason: ${lastFailure.detail}`;
    return { outcome: "failed", detail, remedy: lastFailure.remedy };
  }
  return { outcome: "done", detail: `${segments} segments`, remedy: "" };
}

/** @param storedBytes undefined = no audio came. @param omittedMs audio that a limit kept out, or that was lost for good */
export function recordOutcome(storedBytes: number | undefined, omittedMs: number): StageOutcome {
  if (omittedMs > 0) {
    return {
      outcome: "failed",
      detail: `The recording lacks ${Math.round(omittedMs / 1000)} s: the spool was full or could not be written for longer than the event log keeps audio, or the call was too long.`,
      remedy: "Make room on the disk, or raise EARSHOT_MAX_SPOOL_BYTES or EARSHOT_MAX_RECORDING_MS.",
    };
  }
  if (storedBytes === undefined) {
    return {
      outcome: "skipped",
      detail: "No audio arrived.",
      remedy: "Look at the leg's line quality and the path of its RTP (firewall, NAT, port range).",
    };
  }
  return { outcome: "done", detail: `${storedBytes} bytes`, remedy: "" };
}

/** Object store or disk refused: nothing is lost. */
export const recordKept: StageOutcome = {
  outcome: "failed",
  detail: "The recording could not be stored yet; its audio is kept, and storing it is tried again until it is there.",
  remedy: "Look at the object store and at the disk of EARSHOT_SPOOL_DIR; nothing else needs to be done.",
};
