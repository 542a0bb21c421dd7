// biome-ignore-all lint/a11y/useSemanticElements: a virtualised grid of positioned rows has no table to be
import HeadphonesOutlined from "@mui/icons-material/HeadphonesOutlined";
import { memo } from "react";
import { agentOf, callerOf, speakerName } from "../format/words.ts";
import { CallDuration } from "../live-connection/call-duration.tsx";
import { useListening, useLiveCall } from "../live-connection/live-connection.ts";
import type { BoardCall } from "../live-connection/live-store.ts";
import { LineMark, worstLine } from "../marks/line-mark.tsx";
import { SentimentLanes } from "../marks/sentiment-lanes.tsx";
import { AttentionMark, ReasonChips, TalkBalance } from "../marks/small-marks.tsx";

interface Props {
  id: string;
  index: number;
  top: number;
  height: number;
  card: boolean;
  tabStop: boolean;
  onFocus: (id: string) => void;
  onOpen: (id: string) => void;
}

/** Between two cards, px. */
const cardGap = 8;

/** One call on the board; renders again only when this call changes. */
export const BoardRow = memo(function BoardRow({ id, index, top, height, card, tabStop, onFocus, onOpen }: Props) {
  const call = useLiveCall(id);
  const listening = useListening().callId === id;
  if (call === undefined) return null;
  const label = `${agentOf(call)} and ${callerOf(call)}, attention ${Math.round(call.attention)}${call.attentionReasons[0] === undefined ? "" : `, ${call.attentionReasons[0].label}`}`;
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-label={label}
      data-id={id}
      tabIndex={tabStop ? 0 : -1}
      className={`board-row ${card ? "card" : "board-columns"} ${call.ended === null ? "" : "ended"}`}
      style={{ transform: `translateY(${top}px)`, height: card ? height - cardGap : height }}
      onFocus={() => onFocus(id)}
      onClick={() => onOpen(id)}
      onKeyDown={() => undefined}
    >
      <div role="gridcell" tabIndex={-1} className="cell-attention">
        <AttentionMark score={call.attention} />
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-reasons">
        <ReasonChips reasons={call.attentionReasons} limit={2} />
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-people">
        <span className="clip" title={agentOf(call)}>
          <b>{agentOf(call)}</b>
          {listening && <HeadphonesOutlined className="listen-on" titleAccess="You listen" />}
        </span>
        <span className="clip faint" title={callerOf(call)}>
          {callerOf(call)}
        </span>
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-queue clip muted">
        {call.queue || "–"}
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-time">
        <CallDuration call={call} />
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-mood">
        <SentimentLanes agent={call.sentimentCurve.agent} caller={call.sentimentCurve.caller} width={112} height={34} />
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-talk">
        <TalkBalance ratio={call.conversation?.talkRatio ?? call.talkRatio} />
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-words">
        <LastWords call={call} />
      </div>
      <div role="gridcell" tabIndex={-1} className="cell-line">
        <LineMark mos={worstLine(call.lineQuality)?.mos ?? call.mos} silent={call.lineQuality.some((line) => line.silent)} />
      </div>
    </div>
  );
});

/** The end of what was said: new words come in at the right, old ones leave at the left. */
function LastWords({ call }: { call: BoardCall }) {
  if (call.ended !== null) return <span className="chip">Ended</span>;
  const last = call.lastWords;
  if (last === null) return <span className="faint">Nobody has spoken yet</span>;
  return (
    <span className="last-words" title={last.text}>
      <span className="faint">{speakerName[last.speaker]} </span>
      <span className={last.final ? "" : "partial"}>{tail(last.text)}</span>
    </span>
  );
}

const tailCharacters = 96;

function tail(text: string): string {
  if (text.length <= tailCharacters) return text;
  const cut = text.slice(-tailCharacters);
  return `… ${cut.slice(cut.indexOf(" ") + 1)}`;
}
