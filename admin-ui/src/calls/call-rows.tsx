import type { CallListItem } from "@earshot/proto/api/calls.ts";
import { Fragment, type KeyboardEvent, useState } from "react";
import { Link, useNavigate } from "react-router-dom";
import { duration } from "../format/time.ts";
import { agentOf, callerOf, plural, speakerName } from "../format/words.ts";
import type { Column } from "./columns.tsx";

interface Props {
  calls: readonly CallListItem[];
  columns: readonly Column[];
  sort: string;
  order: "asc" | "desc";
  onSort: (column: NonNullable<Column["sort"]>) => void;
}

const hitsShown = 2;

/** The dense table; where words were searched, their hits stand in context under the call. */
export function CallRows({ calls, columns, sort, order, onSort }: Props) {
  const navigate = useNavigate();
  const [at, setAt] = useState(0);
  const open = (call: CallListItem) => navigate(pathOf(call));
  const onKey = (event: KeyboardEvent<HTMLTableSectionElement>) => {
    if (!(event.target instanceof HTMLTableRowElement)) return;
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: calls.length - 1 };
    const to = steps[event.key];
    const call = calls[at];
    if (to !== undefined) {
      const index = Math.max(0, Math.min(calls.length - 1, to));
      setAt(index);
      event.currentTarget.querySelector<HTMLElement>(`[data-row="${index}"]`)?.focus();
    } else if (event.key === "Enter" && call !== undefined) open(call);
    else return;
    event.preventDefault();
  };
  return (
    <div className="table-scroll">
      <NarrowSort columns={columns} sort={sort} order={order} onSort={onSort} />
      <table className="table call-table">
        <caption className="sr-only">Calls; arrow keys move, Enter opens</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.id}
                scope="col"
                className={column.numeric ? "num" : undefined}
                aria-sort={
                  column.sort === undefined ? undefined : column.sort === sort ? (order === "asc" ? "ascending" : "descending") : "none"
                }
              >
                {column.sort === undefined ? (
                  column.label
                ) : (
                  <button type="button" onClick={() => column.sort !== undefined && onSort(column.sort)}>
                    {column.label}
                    <span aria-hidden="true" className={column.sort === sort ? "" : "sort-hint"}>
                      {column.sort === sort && order === "asc" ? "↑" : "↓"}
                    </span>
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={onKey}>
          {calls.map((call, index) => (
            <Fragment key={call.id}>
              <tr
                className={`link ${call.hits === undefined || call.hits.length === 0 ? "" : "has-hits"}`}
                data-row={index}
                tabIndex={index === Math.min(at, calls.length - 1) ? 0 : -1}
                aria-label={`${agentOf(call)} and ${callerOf(call)}`}
                onClick={() => open(call)}
                onFocus={() => setAt(index)}
              >
                {columns.map((column) => (
                  <td key={column.id} className={column.numeric ? "num" : undefined} data-label={column.label} data-column={column.id}>
                    {column.cell(call)}
                  </td>
                ))}
              </tr>
              {call.hits !== undefined && call.hits.length > 0 && (
                <tr className="hit-row">
                  <td colSpan={columns.length}>
                    <ul className="hits">
                      {call.hits.slice(0, hitsShown).map((hit) => (
                        <li key={hit.segmentId}>
                          <Link to={`/calls/${encodeURIComponent(call.id)}?t=${(hit.startMs / 1000).toFixed(1)}`}>
                            <span className="hit-at">{duration(hit.startMs)}</span>
                            <span className="hit-who">{speakerName[hit.speaker]}</span>
                            <span className="hit-text">
                              <Marked text={hit.text} matches={hit.matches} />
                            </span>
                          </Link>
                        </li>
                      ))}
                      {call.hits.length > hitsShown && (
                        <li className="faint small">and {plural(call.hits.length - hitsShown, "more hit")} in this call</li>
                      )}
                    </ul>
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Where the calls are cards there are no heads to sort by. */
function NarrowSort({ columns, sort, order, onSort }: Omit<Props, "calls">) {
  return (
    <div className="narrow-sort row small muted">
      <label className="row">
        Sorted by
        <select className="plain-select" value={sort} onChange={(event) => onSort(event.target.value as NonNullable<Column["sort"]>)}>
          {columns.map(
            (column) =>
              column.sort !== undefined && (
                <option key={column.id} value={column.sort}>
                  {column.label}
                </option>
              ),
          )}
        </select>
      </label>
      <button type="button" className="plain-select" onClick={() => onSort(sort as NonNullable<Column["sort"]>)}>
        {(sort === "startedAt" ? ["Oldest", "Newest"] : ["Lowest", "Highest"])[order === "asc" ? 0 : 1]} first
      </button>
    </div>
  );
}

const pathOf = (call: CallListItem) =>
  call.endedAt === null ? `/live/${encodeURIComponent(call.id)}` : `/calls/${encodeURIComponent(call.id)}`;

function Marked({ text, matches }: { text: string; matches: readonly (readonly [number, number])[] }) {
  const parts = [];
  let from = 0;
  for (const [start, end] of [...matches].sort((a, b) => a[0] - b[0])) {
    if (start < from) continue;
    parts.push(text.slice(from, start), <mark key={start}>{text.slice(start, end)}</mark>);
    from = end;
  }
  parts.push(text.slice(from));
  return <>{parts}</>;
}
