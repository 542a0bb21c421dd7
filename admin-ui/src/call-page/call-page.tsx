import type { CallDetail, LedgerStage, Segment } from "@earshot/proto/api/calls.ts";
import InfoOutlined from "@mui/icons-material/InfoOutlined";
import LinkOutlined from "@mui/icons-material/LinkOutlined";
import SwapHoriz from "@mui/icons-material/SwapHorizOutlined";
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef } from "react";
import { useNotify } from "react-admin";
import { Link, useParams, useSearchParams } from "react-router-dom";
import { ApiFailure, request } from "../api-client/request.ts";
import { copyText } from "../format/copy-text.ts";
import { duration, exactTime, spokenDuration } from "../format/time.ts";
import { agentOf, callerOf, terminationName } from "../format/words.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { Bar } from "../frame/skeleton.tsx";
import { useSwapSpeakers } from "../live-call/swap-speakers.ts";
import { AttentionMark } from "../marks/small-marks.tsx";
import type { TranscriptHandle } from "../transcript/transcript.tsx";
import { CallColumn } from "./call-column.tsx";
import { FollowingTranscript } from "./following-transcript.tsx";
import { PlayerBar } from "./player-bar.tsx";
import { usePlayer } from "./use-player.ts";
import { Waveform } from "./waveform.tsx";
import { turnFrom } from "./word-clock.ts";
import "./call-page.css";

/** One call as it is remembered: hear it, read it, and see what it means. */
export default function CallPage() {
  const id = useParams().id ?? "";
  const path = `/calls/${encodeURIComponent(id)}`;
  const unfinished = (detail: CallDetail | undefined) =>
    detail?.stages.some((stage) => stage === "pending" || stage === "running") ? 3000 : false;
  const call = useQuery({
    queryKey: ["call", id],
    queryFn: ({ signal }) => request<CallDetail>(path, { signal }),
    refetchInterval: (query) => unfinished(query.state.data),
  });
  const polling = unfinished(call.data);
  const transcript = useQuery({
    queryKey: ["call-transcript", id],
    queryFn: ({ signal }) => request<{ data: Segment[] }>(`${path}/transcript`, { signal }),
    refetchInterval: polling,
  });
  const ledger = useQuery({
    queryKey: ["call-ledger", id],
    queryFn: ({ signal }) => request<{ data: LedgerStage[] }>(`${path}/ledger`, { signal }),
    refetchInterval: polling,
  });
  if (call.data === undefined) {
    if (call.error === null) return <CallPageSkeleton />;
    const gone = call.error instanceof ApiFailure && call.error.status === 404;
    return (
      <div className="page">
        {gone ? (
          <div className="empty">
            <h1>This call does not exist here</h1>
            <p>
              It may belong to another tenant, or its retention time is over. All that you may see are in <Link to="/calls">Calls</Link>.
            </p>
          </div>
        ) : (
          <ErrorNote title="The call could not be loaded." error={call.error} retry={() => void call.refetch()} />
        )}
      </div>
    );
  }
  return (
    <Loaded
      key={id}
      call={call.data}
      segments={transcript.data?.data}
      segmentsError={transcript.error}
      ledger={ledger.data?.data}
      ledgerError={ledger.error}
    />
  );
}

interface LoadedProps {
  call: CallDetail;
  segments: Segment[] | undefined;
  segmentsError: unknown;
  ledger: LedgerStage[] | undefined;
  ledgerError: unknown;
}

const noSegments: Segment[] = [];

function Loaded({ call, segments = noSegments, segmentsError, ledger, ledgerError }: LoadedProps) {
  const [params] = useSearchParams();
  const notify = useNotify();
  const swap = useSwapSpeakers(call);
  const words = useRef<TranscriptHandle>(null);
  const wantedMs = Math.max(0, Number(params.get("t") ?? 0) * 1000 || 0);
  const lengthMs = call.recording?.durationMs ?? call.durationMs ?? 0;
  const player = usePlayer(lengthMs, wantedMs);
  const ordered = useMemo(() => segments.toSorted((a, b) => a.startMs - b.startMs || a.leg - b.leg), [segments]);
  const { seek } = player;
  const show = useCallback(
    (atMs: number, segmentId?: string) => {
      seek(atMs);
      words.current?.show(atMs, segmentId);
    },
    [seek],
  );
  const arrived = ordered.length > 0;
  useEffect(() => {
    if (arrived && wantedMs > 0) show(wantedMs);
  }, [arrived, wantedMs, show]);

  const keys = useRef<(event: KeyboardEvent) => void>(() => {});
  keys.current = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (target.closest("input,textarea,select,[role=combobox],[role=menu],[role=dialog],[role=listbox]") !== null) return;
    if (event.key === " " && target.closest("button,a") !== null) return;
    const at = player.positionMs();
    if (event.key === " ") player.toggle();
    else if (event.key === "ArrowRight") player.seek(at + 5000);
    else if (event.key === "ArrowLeft") player.seek(at - 5000);
    else if (event.key === "n" || event.key === "N") show(turnFrom(ordered, at, 1));
    else if (event.key === "p" || event.key === "P") show(turnFrom(ordered, at, -1));
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => keys.current(event);
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  const copyLink = async () => {
    const seconds = (player.positionMs() / 1000).toFixed(1);
    const url = `${location.origin}/calls/${encodeURIComponent(call.id)}?t=${seconds}`;
    if (await copyText(url)) notify("The link to this moment is copied.", { type: "info" });
    else notify(`The browser does not let us copy. The link: ${url}`, { type: "warning" });
  };
  return (
    <div className="call-page">
      <header className="call-head">
        <AttentionMark score={call.attention} />
        <div className="live-title">
          <h1 className="clip">
            {agentOf(call)} <span className="faint">and</span> {callerOf(call)}
          </h1>
          <p className="small muted clip">
            <time dateTime={call.startedAt}>{exactTime(call.startedAt)}</time> ·{" "}
            <span title={spokenDuration(call.durationMs)}>{duration(call.durationMs)}</span>
            {call.queue !== "" && <> · {call.queue}</>}
            {call.termination !== null && <> · {terminationName[call.termination].toLowerCase()}</>}
          </p>
        </div>
        <div className="live-actions">
          {call.endedAt === null && (
            <Button variant="contained" component={Link} to={`/live/${encodeURIComponent(call.id)}`}>
              Up now: follow it live
            </Button>
          )}
          {swap.possible && (
            <Button variant="outlined" startIcon={<SwapHoriz />} disabled={swap.busy} onClick={swap.swap}>
              Swap agent and caller
            </Button>
          )}
          <Button variant="outlined" startIcon={<LinkOutlined />} onClick={() => void copyLink()}>
            Copy link
          </Button>
        </div>
      </header>
      <section className="call-wave" aria-label="Recording">
        {/* Nothing is fetched before somebody plays: what is fetched is on the audit log as listened to. */}
        {/* biome-ignore lint/a11y/useMediaCaption: the transcript below is the caption */}
        <audio
          ref={player.audio}
          src={call.recording === null ? undefined : `/api/v1/calls/${encodeURIComponent(call.id)}/recording`}
          preload="none"
        />
        {call.recording === null ? (
          <p className="note">
            <InfoOutlined className="faint" />
            <span>
              <NoRecording call={call} />
            </span>
          </p>
        ) : (
          <>
            <Waveform call={call} segments={ordered} player={player} />
            <PlayerBar player={player} durationMs={lengthMs} onTurn={(step) => show(turnFrom(ordered, player.positionMs(), step))} />
          </>
        )}
      </section>
      <FollowingTranscript ref={words} call={call} segments={ordered} error={segmentsError} player={player} beginsAtMs={wantedMs} />
      <CallColumn call={call} ledger={ledger} ledgerError={ledgerError} onShow={show} />
    </div>
  );
}

function NoRecording({ call }: { call: CallDetail }) {
  if (call.endedAt === null) return <>The recording appears here when the call has ended.</>;
  if (call.stages[0] === "pending" || call.stages[0] === "running")
    return <>The recording is being put together; it appears here by itself.</>;
  return (
    <>
      <strong>There is no recording.</strong> The ledger beside tells why. Transcript and measures do not depend on it.
    </>
  );
}

function CallPageSkeleton() {
  return (
    <div className="call-page" aria-busy="true">
      <div className="call-head">
        <Bar width={36} height={28} />
        <div className="live-title" style={{ display: "grid", gap: 6 }}>
          <Bar width={260} height={16} />
          <Bar width={340} />
        </div>
      </div>
      <div className="call-wave">
        <Bar width="100%" height={136} />
        <Bar width={280} height={32} />
      </div>
      <div className="call-words" style={{ padding: 24, display: "grid", gap: 20, alignContent: "start" }}>
        <Bar width="40%" height={40} />
        <span style={{ marginLeft: "54%" }}>
          <Bar width="86%" height={40} />
        </span>
        <Bar width="36%" height={24} />
      </div>
      <div className="call-column" style={{ padding: 24, display: "grid", gap: 16, alignContent: "start" }}>
        <Bar width="60%" />
        <Bar width="100%" height={96} />
        <Bar width="40%" />
        <Bar width="100%" height={160} />
      </div>
      <span className="sr-only" role="status">
        Loading the call
      </span>
    </div>
  );
}
