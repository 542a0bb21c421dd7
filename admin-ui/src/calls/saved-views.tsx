import BookmarkBorder from "@mui/icons-material/BookmarkBorderOutlined";
import Button from "@mui/material/Button";
import Popover from "@mui/material/Popover";
import { type FormEvent, useState } from "react";
import { useStoredChoice } from "./stored-choice.ts";

interface SavedView {
  name: string;
  search: string;
}

/** Filters and order under a name, kept in this browser. */
export function SavedViews({ search, onOpen }: { search: string; onOpen: (search: string) => void }) {
  const [views, setViews] = useStoredChoice<SavedView[]>("earshot.call-views", []);
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const [name, setName] = useState("");
  const current = views.find((view) => view.search === search);
  const save = (event: FormEvent) => {
    event.preventDefault();
    const trimmed = name.trim();
    setViews([...views.filter((view) => view.name !== trimmed), { name: trimmed, search }]);
    setName("");
    setAnchor(null);
  };
  return (
    <>
      <Button variant="outlined" startIcon={<BookmarkBorder />} onClick={(event) => setAnchor(event.currentTarget)} aria-haspopup="dialog">
        {current?.name ?? "Views"}
      </Button>
      <Popover
        open={anchor !== null}
        anchorEl={anchor}
        onClose={() => setAnchor(null)}
        anchorOrigin={{ vertical: "bottom", horizontal: "left" }}
        slotProps={{ paper: { role: "dialog", "aria-label": "Saved views" } }}
      >
        {views.length > 0 && (
          <ul className="view-list">
            {views.map((view) => (
              <li key={view.name}>
                <button
                  type="button"
                  className="filter-choice"
                  aria-pressed={view === current}
                  onClick={() => {
                    onOpen(view.search);
                    setAnchor(null);
                  }}
                >
                  {view.name}
                </button>
              </li>
            ))}
            {current !== undefined && (
              <li>
                <button type="button" className="filter-choice muted" onClick={() => setViews(views.filter((view) => view !== current))}>
                  Remove “{current.name}”
                </button>
              </li>
            )}
          </ul>
        )}
        <form className="view-save" onSubmit={save}>
          <input
            className="plain-input"
            placeholder="Name these filters"
            aria-label="Name of the view"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <Button type="submit" variant="contained" disabled={name.trim() === ""}>
            Save
          </Button>
        </form>
      </Popover>
    </>
  );
}
