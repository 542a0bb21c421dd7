import Forward5 from "@mui/icons-material/Forward5Outlined";
import Pause from "@mui/icons-material/PauseOutlined";
import PlayArrow from "@mui/icons-material/PlayArrowOutlined";
import Replay5 from "@mui/icons-material/Replay5Outlined";
import SkipNext from "@mui/icons-material/SkipNextOutlined";
import SkipPrevious from "@mui/icons-material/SkipPreviousOutlined";
import IconButton from "@mui/material/IconButton";
import { useEffect, useRef } from "react";
import { duration } from "../format/time.ts";
import type { Player } from "./use-player.ts";

const speeds = [0.75, 1, 1.25, 1.5, 2];

interface Props {
  player: Player;
  durationMs: number;
  onTurn: (step: 1 | -1) => void;
}

export function PlayerBar({ player, durationMs, onTurn }: Props) {
  const time = useRef<HTMLSpanElement>(null);
  useEffect(
    () =>
      player.onTime((ms) => {
        // Sixty times a second the same: written only when it differs, or each frame would be laid out anew.
        const text = duration(ms);
        if (time.current !== null && time.current.textContent !== text) time.current.textContent = text;
      }),
    [player],
  );
  return (
    <div className="player-bar">
      <IconButton onClick={() => onTurn(-1)} aria-label="Previous turn" title="Previous turn (P)">
        <SkipPrevious />
      </IconButton>
      <IconButton onClick={() => player.seek(player.positionMs() - 5000)} aria-label="Back 5 seconds" title="Back 5 s (←)">
        <Replay5 />
      </IconButton>
      <button
        type="button"
        className="play-button"
        onClick={player.toggle}
        aria-label={player.playing ? "Pause" : "Play"}
        title={player.playing ? "Pause (Space)" : "Play (Space)"}
      >
        {player.playing ? <Pause /> : <PlayArrow />}
      </button>
      <IconButton onClick={() => player.seek(player.positionMs() + 5000)} aria-label="Forward 5 seconds" title="Forward 5 s (→)">
        <Forward5 />
      </IconButton>
      <IconButton onClick={() => onTurn(1)} aria-label="Next turn" title="Next turn (N)">
        <SkipNext />
      </IconButton>
      <span className="player-time">
        <span ref={time}>0:00</span>
        <span className="faint"> / {duration(durationMs)}</span>
      </span>
      <select
        className="plain-select"
        aria-label="Speed"
        value={player.speed}
        onChange={(event) => player.setSpeed(Number(event.target.value))}
      >
        {speeds.map((speed) => (
          <option key={speed} value={speed}>
            {speed} ×
          </option>
        ))}
      </select>
      {player.failed && (
        <span className="tone-negative small" role="alert">
          The recording cannot be played; it may still be written. Try again in a moment.
        </span>
      )}
      <span className="player-keys faint small">
        <kbd>Space</kbd> play <kbd>←</kbd> <kbd>→</kbd> 5 s <kbd>N</kbd> <kbd>P</kbd> turns
      </span>
    </div>
  );
}
