import type { DeadLetter } from "@earshot/proto/api/queue.ts";
import Button from "@mui/material/Button";
import ToggleButton from "@mui/material/ToggleButton";
import ToggleButtonGroup from "@mui/material/ToggleButtonGroup";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNotify } from "react-admin";
import { ApiFailure, request } from "../../api-client/request.ts";
import { ago, exactTime } from "../../format/time.ts";
import { plural } from "../../format/words.ts";
import { ListPanel, type PanelColumn } from "../list-panel.tsx";
import { Pager } from "../pager.tsx";
import { LetterDialog } from "./letter-dialog.tsx";
import { contentOf, reasonOf, stateName } from "./letter-words.ts";

const perPage = 50;
const refreshMs = 10_000;

type Answer = { data: DeadLetter[]; total: number };

/** Records that could not be handled: what they are, why, and the way back. */
export default function QueuePage() {
  const [page, setPage] = useState(1);
  const [shows, setShows] = useState<"waiting" | "all">("waiting");
  const [open, setOpen] = useState<DeadLetter | null>(null);
  /** Of a replay of all: done, and in all. */
  const [progress, setProgress] = useState<{ done: number; all: number } | null>(null);
  const notify = useNotify();
  const letters = useQuery({
    queryKey: ["queue", shows, page],
    queryFn: ({ signal }) =>
      request<Answer>("/queue", { query: { page, perPage, state: shows === "waiting" ? "waiting" : undefined }, signal }),
    refetchInterval: refreshMs,
  });
  const { total = 0 } = letters.data ?? {};
  const now = Date.now();

  const settle = async (letter: DeadLetter, act: "replay" | "discard") => {
    await request(`/queue/${encodeURIComponent(letter.id)}/${act}`, { method: "POST" });
    notify(
      act === "replay"
        ? `${contentOf(letter)} replayed. If it fails again, it comes back here.`
        : `${contentOf(letter)} discarded. It is off the list for good.`,
      { type: "info" },
    );
    await letters.refetch();
  };
  const replay = (letter: DeadLetter) =>
    settle(letter, "replay").catch((error: unknown) => {
      const { message, remedy } = error instanceof ApiFailure ? error : { message: String(error), remedy: "" };
      notify(`It was not replayed. ${message} ${remedy}`, { type: "error", autoHideDuration: 8000 });
    });
  const replayAll = async () => {
    try {
      const waiting = await request<Answer>("/queue", { query: { perPage: 1000, state: "waiting" } });
      // The oldest first: records of one call keep their order.
      const inOrder = waiting.data.toReversed();
      setProgress({ done: 0, all: inOrder.length });
      for (const [index, letter] of inOrder.entries()) {
        await request(`/queue/${encodeURIComponent(letter.id)}/replay`, { method: "POST" });
        setProgress({ done: index + 1, all: inOrder.length });
      }
      notify(`${plural(inOrder.length, "record")} replayed. What fails again comes back here.`, { type: "info" });
    } catch (error) {
      notify(`Not all were replayed. ${error instanceof ApiFailure ? `${error.message} ${error.remedy}` : ""}`, {
        type: "error",
        autoHideDuration: 8000,
      });
    } finally {
      setProgress(null);
      await letters.refetch();
    }
  };

  const columns: readonly PanelColumn<DeadLetter>[] = [
    {
      label: "Record",
      cell: (letter) => (
        <button type="button" className="plain-button row-name" onClick={() => setOpen(letter)}>
          {contentOf(letter)}
        </button>
      ),
    },
    { label: "Why it waits", cell: reasonOf },
    { label: "Of", className: "muted break letter-of", cell: (letter) => (letter.claimed ? letter.key : "–") },
    { label: "When", className: "nowrap", title: (letter) => exactTime(letter.at), cell: (letter) => ago(letter.at, now) },
    { label: "State", className: "nowrap", cell: (letter) => stateName[letter.state] },
    {
      label: "Action",
      unseen: true,
      numeric: true,
      cell: (letter) =>
        letter.state === "waiting" && (
          <Button variant="outlined" onClick={() => void replay(letter)} aria-label={`Replay ${contentOf(letter)} of ${letter.key}`}>
            Replay
          </Button>
        ),
    },
  ];
  return (
    <>
      <div className="page-head">
        <h1>Queue</h1>
        <span className="grow" />
        <ToggleButtonGroup
          exclusive
          size="small"
          value={shows}
          aria-label="Which records"
          onChange={(_, chosen: "waiting" | "all" | null) => {
            if (chosen === null) return;
            setShows(chosen);
            setPage(1);
          }}
        >
          <ToggleButton value="waiting">Waiting</ToggleButton>
          <ToggleButton value="all">All</ToggleButton>
        </ToggleButtonGroup>
        {shows === "waiting" && total > 1 && (
          <Button variant="outlined" onClick={() => void replayAll()} disabled={progress !== null}>
            {progress === null ? "Replay all" : `Replaying ${progress.done} of ${progress.all}`}
          </Button>
        )}
      </div>
      <p className="settings-intro">
        Records that could not be handled are put aside here, whole; everything else goes on. When the cause is mended, replay them: what
        was handled already is not doubled.
      </p>
      <ListPanel
        caption="Records that could not be handled"
        failure="The queue could not be loaded."
        list={{ ...letters, data: letters.data?.data }}
        skeleton={{ rows: 5, height: 45 }}
        empty={
          <div className="empty">
            <h2>{shows === "waiting" ? "Nothing waits" : "Nothing has ever been put aside"}</h2>
            <p>Every record that came in was handled.</p>
          </div>
        }
        columns={columns}
        keyOf={(letter) => letter.id}
      />
      <Pager
        page={page}
        perPage={perPage}
        total={total}
        text={`${plural(total, "record")}, page ${page} of ${Math.ceil(total / perPage)}`}
        back="Newer"
        on="Older"
        onPage={setPage}
      />
      {open !== null && <LetterDialog letter={open} settle={settle} onClose={() => setOpen(null)} />}
    </>
  );
}
