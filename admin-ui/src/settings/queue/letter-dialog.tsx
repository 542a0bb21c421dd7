import type { DeadLetter, DeadLetterDetail } from "@earshot/proto/api/queue.ts";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router-dom";
import { request } from "../../api-client/request.ts";
import { exactTime } from "../../format/time.ts";
import { ErrorNote } from "../../frame/error-note.tsx";
import { SkeletonRows } from "../../frame/skeleton.tsx";
import { AskTwice } from "../ask-twice.tsx";
import { contentOf, reasonOf, stateName } from "./letter-words.ts";

interface Props {
  letter: DeadLetter;
  onClose: () => void;
  /** Rejects where the server refuses it. */
  settle: (letter: DeadLetter, act: "replay" | "discard") => Promise<void>;
}

/** One record: what happened to it, what is in it, and the two things to do with it. */
export function LetterDialog({ letter, onClose, settle }: Props) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const detail = useQuery({
    queryKey: ["queue", letter.id],
    queryFn: ({ signal }) => request<DeadLetterDetail>(`/queue/${encodeURIComponent(letter.id)}`, { signal }),
  });
  const act = async (what: "replay" | "discard") => {
    setBusy(true);
    setError(null);
    try {
      await settle(letter, what);
      onClose();
    } catch (refused) {
      setError(refused);
      setBusy(false);
    }
  };
  const reason = reasonOf(letter);
  const title = `${contentOf(letter)}: ${reason.charAt(0).toLowerCase()}${reason.slice(1)}`;
  const facts: [string, React.ReactNode][] = [
    ["Put aside", exactTime(letter.at)],
    ["Could not be handled by", <code key="group">{letter.group}</code>],
    [
      "Error",
      <span key="error">
        <code>{letter.errorCode}</code>{" "}
        <span className="muted">after {letter.attempts === 1 ? "one try" : `${letter.attempts} tries`}</span>
      </span>,
    ],
    [
      "Belongs to",
      letter.claimed ? (
        <Link key="call" to={`/calls/${encodeURIComponent(letter.key)}`} className="break">
          {letter.key}
        </Link>
      ) : (
        "nobody that could be read"
      ),
    ],
    [
      "Lies at",
      <code key="at" className="break">
        {letter.topic}, partition {letter.partition}, offset {letter.offset}
      </code>,
    ],
  ];
  if (letter.settledAt !== null) facts.push([stateName[letter.state], `${exactTime(letter.settledAt)} by ${letter.settledBy ?? "nobody"}`]);
  return (
    <Dialog open onClose={busy ? undefined : onClose} fullWidth maxWidth="sm" slotProps={{ paper: { "aria-label": title } }}>
      <div className="edit-form">
        <h2 className="edit-title">{title}</h2>
        <div className="edit-fields">
          <dl className="status-list letter-facts">
            {facts.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          {detail.isPending && <SkeletonRows rows={3} />}
          {detail.error !== null && (
            <ErrorNote title="The record could not be read." error={detail.error} retry={() => void detail.refetch()} />
          )}
          {detail.data !== undefined && (
            <>
              {detail.data.message !== "" && (
                <p>
                  <b>{detail.data.message}</b> {detail.data.remedy}
                </p>
              )}
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
              <section className="letter-content" tabIndex={0} aria-label="What is in it">
                {detail.data.event === null ? hexLines(detail.data.hex) : JSON.stringify(detail.data.event, undefined, 2)}
              </section>
            </>
          )}
          {error !== null && <ErrorNote title="Nothing was done." error={error} />}
        </div>
        <div className="edit-actions">
          {letter.state === "waiting" && (
            <AskTwice
              verb="Discard"
              question="Discard it for good?"
              asking={asking}
              busy={busy}
              onAsk={setAsking}
              onConfirm={() => void act("discard")}
            />
          )}
          <span className="grow" />
          <Button variant="text" onClick={onClose} disabled={busy}>
            Close
          </Button>
          {letter.state === "waiting" && (
            <Button variant="contained" onClick={() => void act("replay")} disabled={busy}>
              Replay
            </Button>
          )}
        </div>
      </div>
    </Dialog>
  );
}

/** Sixteen bytes to a line, in pairs. */
const hexLines = (hex: string): string =>
  (hex.match(/.{1,32}/g) ?? ["(empty)"]).map((line) => (line.match(/.{1,4}/g) ?? []).join(" ")).join("\n");
