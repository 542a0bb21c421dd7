import CheckBoxOutlineBlank from "@mui/icons-material/CheckBoxOutlineBlankOutlined";
import CheckBoxIcon from "@mui/icons-material/CheckBoxOutlined";
import DownloadOutlined from "@mui/icons-material/DownloadOutlined";
import SearchOutlined from "@mui/icons-material/SearchOutlined";
import ViewColumnOutlined from "@mui/icons-material/ViewColumnOutlined";
import Button from "@mui/material/Button";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router-dom";
import { request } from "../api-client/request.ts";
import { zoneName } from "../format/time.ts";
import { plural } from "../format/words.ts";
import { ErrorNote } from "../frame/error-note.tsx";
import { SkeletonRows } from "../frame/skeleton.tsx";
import { CallRows } from "./call-rows.tsx";
import { CallStatisticsStrip } from "./call-statistics.tsx";
import { type Column, columns } from "./columns.tsx";
import { exportCsv } from "./csv-export.ts";
import { FilterChips } from "./filter-chips.tsx";
import { readFilters } from "./filters.ts";
import { SavedViews } from "./saved-views.tsx";
import { useStoredChoice } from "./stored-choice.ts";
import type { CallListItem, CallStatistics } from "./types.ts";
import "./calls.css";

const pageSizes = [25, 50, 100, 200];

/** The calls of the past and of now: filters and order stand in the URL. */
export default function CallListPage() {
  const [params, setParams] = useSearchParams();
  const filters = readFilters(params);
  const page = Math.max(1, Number(params.get("page") ?? 1) || 1);
  const perPage = pageSizes.find((size) => String(size) === params.get("perPage")) ?? 25;
  const sort = columns.find((column) => column.sort !== undefined && column.sort === params.get("sort"))?.sort ?? "startedAt";
  const order = params.get("order") === "asc" ? "asc" : "desc";
  const set = (changes: Record<string, string | null>) => {
    const next = new URLSearchParams(params);
    if (!("page" in changes)) next.delete("page");
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") next.delete(name);
      else next.set(name, value);
    }
    setParams(next);
  };
  const list = useQuery({
    queryKey: ["calls", filters, page, perPage, sort, order],
    queryFn: ({ signal }) =>
      request<{ data: CallListItem[]; total: number }>("/calls", { query: { ...filters, page, perPage, sort, order }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: filters.live === "true" ? 5000 : false,
  });
  const statistics = useQuery({
    queryKey: ["call-statistics", filters],
    queryFn: ({ signal }) => request<CallStatistics>("/calls/statistics", { query: filters, signal }),
    placeholderData: keepPreviousData,
  });
  const [chosen, setChosen] = useStoredChoice<string[]>(
    "earshot.call-columns",
    columns.filter((column) => column.usual).map((column) => column.id),
  );
  const shown = columns.filter((column) => chosen.includes(column.id));
  const total = list.data?.total ?? 0;
  const pages = Math.max(1, Math.ceil(total / perPage));
  return (
    <div className="page">
      <div className="page-head">
        <h1>Calls</h1>
        <span className="faint small">Times in {zoneName()}</span>
        <span className="grow" />
        <SavedViews search={params.toString()} onOpen={(search) => setParams(new URLSearchParams(search))} />
        <ColumnChoice chosen={chosen} onChoose={setChosen} />
        <Button
          variant="outlined"
          startIcon={<DownloadOutlined />}
          disabled={(list.data?.data.length ?? 0) === 0}
          onClick={() => exportCsv(list.data?.data ?? [])}
          title="The calls of this page as CSV"
        >
          CSV
        </Button>
      </div>
      <div className="call-tools">
        <WordSearch value={filters.q ?? ""} onSearch={(q) => set({ q })} />
        <FilterChips filters={filters} set={set} />
      </div>
      <CallStatisticsStrip statistics={statistics.data} error={statistics.error} set={set} />
      <div className={`panel ${list.isPlaceholderData ? "is-stale" : ""}`} aria-busy={list.isFetching}>
        {list.error !== null && (
          <div style={{ padding: 16 }}>
            <ErrorNote title="The calls could not be loaded." error={list.error} retry={() => void list.refetch()} />
          </div>
        )}
        {list.isPending && <SkeletonRows rows={12} height={45} />}
        {list.data !== undefined && list.data.data.length === 0 && (
          <div className="empty">
            <h2>{Object.keys(filters).length === 0 ? "No call yet" : "No call fits these filters"}</h2>
            <p>
              {Object.keys(filters).length === 0
                ? "A call appears here with its first packet."
                : filters.q !== undefined
                  ? "Every word must have been said in the call. Fewer words, or without quotation marks, find more."
                  : "Take one away, or widen it."}
            </p>
            {Object.keys(filters).length === 0 && (
              <Button variant="outlined" component={Link} to="/live">
                Place a demo call, or see what to connect
              </Button>
            )}
            {Object.keys(filters).length > 0 && (
              <Button variant="outlined" onClick={() => setParams(new URLSearchParams())}>
                Clear all filters
              </Button>
            )}
          </div>
        )}
        {list.data !== undefined && list.data.data.length > 0 && (
          <CallRows
            calls={list.data.data}
            columns={shown}
            sort={sort}
            order={order}
            onSort={(column) => set({ sort: column, order: column === sort && order === "desc" ? "asc" : "desc" })}
          />
        )}
      </div>
      {total > 0 && (
        <nav className="pager" aria-label="Pages">
          <span className="muted small" role="status">
            {plural(total, "call")}
            {pages > 1 && `, page ${page} of ${pages.toLocaleString("en-GB")}`}
          </span>
          <span className="grow" />
          <label className="row small muted">
            Per page
            <select value={perPage} onChange={(event) => set({ perPage: event.target.value })} className="plain-select">
              {pageSizes.map((size) => (
                <option key={size}>{size}</option>
              ))}
            </select>
          </label>
          <Button variant="outlined" disabled={page <= 1} onClick={() => set({ page: String(page - 1) })}>
            Previous
          </Button>
          <Button variant="outlined" disabled={page >= pages} onClick={() => set({ page: String(page + 1) })}>
            Next
          </Button>
        </nav>
      )}
    </div>
  );
}

/** Words said in the call; `/` leads here. */
function WordSearch({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const [text, setText] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== "/" || (event.target as HTMLElement).closest("input,textarea,[contenteditable]") !== null) return;
      event.preventDefault();
      input.current?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") onSearch(text.trim());
    if (event.key === "Escape") {
      setText("");
      onSearch("");
    }
  };
  return (
    <search className="word-search">
      <SearchOutlined className="faint" />
      <input
        ref={input}
        type="search"
        value={text}
        placeholder="Words said in the call"
        aria-label="Words said in the call"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
        onBlur={() => text.trim() !== value && onSearch(text.trim())}
      />
      <kbd>/</kbd>
    </search>
  );
}

function ColumnChoice({ chosen, onChoose }: { chosen: string[]; onChoose: (columns: string[]) => void }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const toggle = (column: Column) =>
    onChoose(chosen.includes(column.id) ? chosen.filter((id) => id !== column.id) : [...chosen, column.id]);
  return (
    <>
      <Button
        variant="outlined"
        startIcon={<ViewColumnOutlined />}
        onClick={(event) => setAnchor(event.currentTarget)}
        aria-haspopup="menu"
      >
        Columns
      </Button>
      <Menu open={anchor !== null} anchorEl={anchor} onClose={() => setAnchor(null)}>
        {columns.map((column) => (
          <MenuItem key={column.id} onClick={() => toggle(column)} role="menuitemcheckbox" aria-checked={chosen.includes(column.id)}>
            {chosen.includes(column.id) ? <CheckBoxIcon color="primary" /> : <CheckBoxOutlineBlank className="faint" />}
            {column.label}
          </MenuItem>
        ))}
      </Menu>
    </>
  );
}
