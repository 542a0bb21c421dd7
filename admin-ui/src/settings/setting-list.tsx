import AddOutlined from "@mui/icons-material/AddOutlined";
import Button from "@mui/material/Button";
import { type ReactNode, useDeferredValue, useState } from "react";
import { useGetList } from "react-admin";
import { plural } from "../format/words.ts";
import { EditDialog } from "./edit-dialog.tsx";
import type { Field } from "./fields.tsx";
import { ListPanel, type PanelColumn } from "./list-panel.tsx";
import { Pager } from "./pager.tsx";

interface Props<T extends { id: string }> {
  /** The API's name of the list. */
  resource: string;
  title: string;
  /** What this list is for, in one or two sentences. */
  intro: ReactNode;
  noun: string;
  sort: string;
  columns: readonly PanelColumn<T>[];
  fields: readonly Field[];
  /** What a new one begins with. */
  blank: Record<string, unknown>;
  empty: string;
  nameOf(item: T): string;
  /** Lists that grow long are searched on the server. */
  searchable?: boolean;
  actions?: ReactNode;
}

const perPage = 100;

/** One list of the settings: a dense table; a row opens its form. */
export function SettingList<T extends { id: string }>({
  resource,
  title,
  intro,
  noun,
  sort,
  columns,
  fields,
  blank,
  empty,
  nameOf,
  searchable = false,
  actions,
}: Props<T>) {
  const [page, setPage] = useState(1);
  const [search, setSearch] = useState("");
  const q = useDeferredValue(search);
  const list = useGetList<T>(resource, {
    pagination: { page, perPage },
    sort: { field: sort, order: "ASC" },
    filter: q === "" ? {} : { q },
  });
  const { total = 0 } = list;
  const [editing, setEditing] = useState<T | "new" | null>(null);
  return (
    <>
      <div className="page-head">
        <h1>{title}</h1>
        <span className="grow" />
        {actions}
        <Button variant="contained" startIcon={<AddOutlined />} onClick={() => setEditing("new")}>
          New {noun}
        </Button>
      </div>
      <p className="settings-intro">{intro}</p>
      {searchable && (total > 10 || search !== "") && (
        <input
          type="search"
          className="plain-input settings-search"
          placeholder={`Find in ${title.toLowerCase()}`}
          aria-label={`Find in ${title.toLowerCase()}`}
          value={search}
          onChange={(event) => {
            setSearch(event.target.value);
            setPage(1);
          }}
        />
      )}
      <ListPanel<T>
        caption={title}
        failure={`${title} could not be loaded.`}
        list={list}
        skeleton={{ rows: 5, height: 41 }}
        empty={
          <div className="empty">
            <h2>{q === "" ? `No ${noun} yet` : "Nothing fits"}</h2>
            <p>{q === "" ? empty : "Search for something else."}</p>
          </div>
        }
        columns={columns.map((column, index) =>
          index === 0
            ? {
                ...column,
                cell: (item: T) => (
                  <button type="button" className="plain-button row-name" onClick={() => setEditing(item)}>
                    {column.cell(item)}
                  </button>
                ),
              }
            : column,
        )}
        keyOf={(item) => item.id}
        onOpen={setEditing}
      />
      <Pager page={page} perPage={perPage} total={total} text={plural(total, noun)} back="Previous" on="Next" onPage={setPage} />
      {editing !== null && (
        <EditDialog
          resource={resource}
          noun={noun}
          fields={fields}
          item={editing === "new" ? null : (editing as unknown as Record<string, unknown>)}
          name={editing === "new" ? "" : nameOf(editing)}
          blank={blank}
          onClose={() => setEditing(null)}
        />
      )}
    </>
  );
}
