import FiberManualRecord from "@mui/icons-material/FiberManualRecord";
import HeadphonesOutlined from "@mui/icons-material/HeadphonesOutlined";
import PauseOutlined from "@mui/icons-material/PauseOutlined";
import Button from "@mui/material/Button";
import { useMutation } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";
import { useNotify } from "react-admin";
import { Link, Navigate, useParams, useSearchParams } from "react-router-dom";
import { ApiFailure, request } from "../api-client/request.ts";
import { agentOf, callerOf, terminationName } from "../format/words.ts";
import { PageSkeleton } from "../frame/skeleton.tsx";
import { EngineNote } from "../live-board/engine-note.tsx";
import { CallDuration } from "../live-connection/call-duration.tsx";
import { listenTo, useConnection, useListening, useLiveCall, useLiveTranscript } from "../live-connection/live-connection.ts";
import type { BoardCall } from "../live-connection/live-store.ts";
import { AttentionMark } from "../marks/small-marks.tsx";
import type { TranscriptHandle } from "../transcript/transcript.tsx";
import { LiveFacts } from "./live-facts.tsx";
import { LiveReasons } from "./live-reasons.tsx";
import { LiveTranscript } from "./live-transcript.tsx";
import "./live-call.css";
import { StopButton } from "./stop-button.tsx";

/** One call while it is up: words in the middle, facts to the left, reasons to look at it to the right. */
export default function LiveCallPage() {
  const id = useParams().id ?? "";
  const [params] = useSearchParams();
  const call = useLiveCall(id);
  const connection = useConnection();
  if (call === undefined) {
    // Not among the live calls: it has ended, and its page knows the rest.
    if (connection.loaded)
      return <Navigate to={`/calls/${encodeURIComponent(id)}${params.has("t") ? `?t=${params.get("t")}` : ""}`} replace />;
    return <PageSkeleton />;
  }
  return <LiveCall call={call} />;
}

function LiveCall({ call }: { call: BoardCall }) {
  const { segments, loading, error } = useLiveTranscript(call.id);
  const connection = useConnection();
  const [params] = useSearchParams();
  const words = useRef<TranscriptHandle>(null);
  const show = useCallback((atMs: number, segmentId?: string) => void words.current?.show(atMs, segmentId), []);
  const wanted = params.get("t");
  const arrived = segments.length > 0;
  useEffect(() => {
    if (wanted !== null && arrived) words.current?.show(Number(wanted) * 1000);
  }, [wanted, arrived]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (
        event.key.toLowerCase() !== "l" ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        (event.target as HTMLElement).closest("input,textarea,[role=combobox]") !== null
      )
        return;
      event.preventDefault();
      toggle.current();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const listening = useListening();
  const toggle = useRef(() => {});
  toggle.current = () => listenTo(listening.callId === call.id ? null : call.id);
  return (
    <div className="live-call">
      <header className="live-head">
        <AttentionMark score={call.attention} />
        <div className="live-title">
          <h1 className="clip">
            {agentOf(call)} <span className="faint">and</span> {callerOf(call)}
          </h1>
          <p className="small muted clip">
            {call.queue !== "" && <>{call.queue} · </>}
            <CallDuration call={call} />
            {call.recordingPaused && <span className="tone-uneasy"> · recording paused</span>}
          </p>
        </div>
        <div className="live-actions">
          <Button
            variant={listening.callId === call.id ? "contained" : "outlined"}
            startIcon={<HeadphonesOutlined />}
            disabled={call.ended !== null && listening.callId !== call.id}
            onClick={() => toggle.current()}
            aria-pressed={listening.callId === call.id}
            aria-keyshortcuts="l"
          >
            {listening.callId === call.id ? "Stop listening" : "Listen"}
          </Button>
          <PauseButton call={call} />
          <StopButton call={call} />
        </div>
      </header>
      <div className="live-notes">
        {call.ended !== null && (
          <div className="note info" role="status">
            <span className="link-dot" style={{ background: "var(--accent)", margin: 6 }} />
            <div>
              <strong>This call has ended.</strong> {call.termination !== null && `${terminationName[call.termination]}. `}
              <span className="muted">Recording, measures and the whole transcript are on its page.</span>
            </div>
            <Button variant="contained" component={Link} to={`/calls/${encodeURIComponent(call.id)}`}>
              Open the call page
            </Button>
          </div>
        )}
        {connection.state === "lost" && (
          <div className="note warn" role="status">
            <span className="link-dot" style={{ background: "none", border: "2px solid var(--uneasy)", margin: 6 }} />
            <div>
              <strong>The live connection is lost.</strong> The call goes on and is recorded. What was here stays; what is said meanwhile is
              filled in when the connection is back.
            </div>
          </div>
        )}
        <EngineNote />
      </div>
      <LiveFacts call={call} />
      <LiveTranscript ref={words} call={call} segments={segments} loading={loading} error={error} />
      <LiveReasons call={call} onShow={show} />
    </div>
  );
}

function PauseButton({ call }: { call: BoardCall }) {
  const notify = useNotify();
  const pause = useMutation({
    mutationFn: (paused: boolean) =>
      request(`/calls/${encodeURIComponent(call.id)}/${paused ? "pause" : "resume"}`, { method: "POST", body: {} }),
    onError: (error) =>
      notify(`The recording goes on as before. ${error.message} ${error instanceof ApiFailure ? error.remedy : ""}`, {
        type: "error",
        autoHideDuration: 8000,
      }),
  });
  return (
    <Button
      variant="outlined"
      startIcon={call.recordingPaused ? <FiberManualRecord /> : <PauseOutlined />}
      disabled={call.ended !== null || pause.isPending}
      onClick={() => pause.mutate(!call.recordingPaused)}
      title={
        call.recordingPaused ? "Record and transcribe again from here" : "What is said while paused is neither recorded nor transcribed"
      }
    >
      {call.recordingPaused ? "Resume recording" : "Pause recording"}
    </Button>
  );
}
