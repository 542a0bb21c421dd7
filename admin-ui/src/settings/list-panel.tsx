import type { ReactNode } from "react";
import { ErrorNote } from "../frame/error-note.tsx";
import { SkeletonRows } from "../frame/skeleton.tsx";

export interface PanelColumn<T> {
  label: string;
  numeric?: boolean;
  /** Named for screen readers only: a column of buttons. */
  unseen?: boolean;
  className?: string;
  /** Where it is cut, or in other words: shown on hover. */
  title?(item: T): string | undefined;
  cell(item: T): ReactNode;
}

interface Props<T> {
  /** What the list is, for screen readers. */
  caption: string;
  /** The sentence for when it cannot be loaded. */
  failure: string;
  list: { data: readonly T[] | undefined; error: unknown; isPending: boolean; refetch(): Promise<unknown> };
  /** The shape of what is awaited: how many rows, and the height of one in px. */
  skeleton: { rows: number; height: number };
  /** What stands there when the list is empty. */
  empty: ReactNode;
  columns: readonly PanelColumn<T>[];
  keyOf(item: T): string;
  /** A click anywhere in a row; the first cell must hold a button for the keyboard. */
  onOpen?(item: T): void;
}

/** A list of the settings as a table, in each state it can be in: awaited, not loaded, empty, there. */
export function ListPanel<T>({ caption, failure, list, skeleton, empty, columns, keyOf, onOpen }: Props<T>) {
  return (
    <div className="panel">
      {list.error !== null && (
        <div style={{ padding: 16 }}>
          <ErrorNote title={failure} error={list.error} retry={() => void list.refetch()} />
        </div>
      )}
      {list.isPending && <SkeletonRows rows={skeleton.rows} height={skeleton.height} />}
      {list.data?.length === 0 && empty}
      {list.data !== undefined && list.data.length > 0 && (
        <div className="table-scroll">
          <table className="table cards">
            <caption className="sr-only">{caption}</caption>
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column.label} scope="col" className={column.numeric ? "num" : undefined}>
                    {column.unseen ? <span className="sr-only">{column.label}</span> : column.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {list.data.map((item) => (
                <tr key={keyOf(item)} className={onOpen && "link"} onClick={onOpen && (() => onOpen(item))}>
                  {columns.map((column) => (
                    <td
                      key={column.label}
                      className={`${column.numeric ? "num" : ""} ${column.className ?? ""}`}
                      // Where rows are cards each value carries its name.
                      data-label={column.unseen ? "" : column.label}
                      title={column.title?.(item)}
                    >
                      {column.cell(item)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
