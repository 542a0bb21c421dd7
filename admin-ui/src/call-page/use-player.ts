/** The recording's player: an audio element, and a clock that ticks with the screen while it plays. */
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";

export interface Player {
  audio: RefObject<HTMLAudioElement | null>;
  playing: boolean;
  speed: number;
  failed: boolean;
  positionMs(): number;
  seek(ms: number): void;
  toggle(): void;
  setSpeed(speed: number): void;
  /** Runs on every frame while playing, and after each seek. */
  onTime(listener: (ms: number) => void): () => void;
}

export function usePlayer(durationMs: number, startMs: number): Player {
  const audio = useRef<HTMLAudioElement | null>(null);
  const listeners = useRef(new Set<(ms: number) => void>());
  const wanted = useRef(startMs);
  // Not the element's readyState, which changes before its event comes: its place in between is not one that anybody asked for.
  const isKnown = useRef(false);
  const [playing, setPlaying] = useState(false);
  const [failed, setFailed] = useState(false);
  const [speed, setSpeedState] = useState(1);
  const positionMs = useCallback(() => {
    const element = audio.current;
    return element === null || !isKnown.current ? wanted.current : element.currentTime * 1000;
  }, []);
  const tell = useCallback((ms: number) => {
    for (const listener of listeners.current) listener(ms);
  }, []);
  const seek = useCallback(
    (ms: number) => {
      const at = Math.max(0, Math.min(durationMs, ms));
      wanted.current = at;
      const element = audio.current;
      if (element !== null && isKnown.current) element.currentTime = at / 1000;
      tell(at);
    },
    [durationMs, tell],
  );
  const toggle = useCallback(() => {
    const element = audio.current;
    if (element === null) return;
    if (element.paused) void element.play().catch(() => setFailed(true));
    else element.pause();
  }, []);
  useEffect(() => {
    const element = audio.current;
    if (element === null) return;
    let frame = 0;
    const run = () => {
      tell(positionMs());
      frame = requestAnimationFrame(run);
    };
    const events: Record<string, () => void> = {
      play: () => {
        setPlaying(true);
        setFailed(false);
        cancelAnimationFrame(frame);
        run();
      },
      pause: () => {
        setPlaying(false);
        cancelAnimationFrame(frame);
        wanted.current = positionMs();
      },
      // A place asked for before the file was known: go there now.
      loadedmetadata: () => {
        isKnown.current = true;
        element.currentTime = wanted.current / 1000;
      },
      emptied: () => {
        isKnown.current = false;
      },
      error: () => setFailed(true),
    };
    for (const [name, listener] of Object.entries(events)) element.addEventListener(name, listener);
    // It may have been told before anybody listened.
    if (element.readyState > 0) events.loadedmetadata!();
    return () => {
      cancelAnimationFrame(frame);
      for (const [name, listener] of Object.entries(events)) element.removeEventListener(name, listener);
    };
  }, [tell, positionMs]);
  return useMemo(
    () => ({
      audio,
      playing,
      speed,
      failed,
      positionMs,
      seek,
      toggle,
      setSpeed: (next: number) => {
        setSpeedState(next);
        if (audio.current !== null) audio.current.playbackRate = next;
      },
      onTime: (listener: (ms: number) => void) => {
        listeners.current.add(listener);
        listener(positionMs());
        return () => listeners.current.delete(listener);
      },
    }),
    [playing, speed, failed, positionMs, seek, toggle],
  );
}
