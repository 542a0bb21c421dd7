import type { Trunk } from "@earshot/proto/api/administration.ts";
import Button from "@mui/material/Button";
import Menu from "@mui/material/Menu";
import MenuItem from "@mui/material/MenuItem";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useCreate, useGetList, useNotify, useUpdate } from "react-admin";
import { ApiFailure, request } from "../../api-client/request.ts";
import { ago, exactTime } from "../../format/time.ts";
import { ListPanel, type PanelColumn } from "../list-panel.tsx";
import type { Refusal } from "../types.ts";
import { addressOf } from "./address-of.ts";
import { blankTrunk } from "./trunk-fields.ts";

/** Reasons of the gateway (`inviteRefused`) in other words; only the first is mended by a trunk, the others tell what mends them. */
const unknownSource = "unknown source";
const why: Record<string, string> = {
  [unknownSource]: "no trunk admits this address",
  "tenant suspended": "its tenant is suspended",
};

const refreshMs = 10_000;

/** Who was turned away, with a button to let them in. */
export function Refusals() {
  const refusals = useQuery({
    queryKey: ["refusals"],
    queryFn: ({ signal }) => request<{ data: Refusal[] }>("/refusals", { query: { perPage: 50 }, signal }),
    select: (answer) => answer.data,
    refetchInterval: refreshMs,
  });
  const [chosen, setChosen] = useState<{ refusal: Refusal; anchor: HTMLElement } | null>(null);
  const now = Date.now();
  const columns: readonly PanelColumn<Refusal>[] = [
    {
      label: "Source",
      cell: (refusal) => (
        <>
          <b className="strong">{refusal.sourceAddress}</b> <span className="faint">{refusal.transport}</span>
          {refusal.trunk !== "" && <div className="muted small">{refusal.trunk}</div>}
        </>
      ),
    },
    { label: "Asked for", className: "break", cell: (refusal) => refusal.requestUri },
    { label: "Says it is", className: "muted break", cell: (refusal) => refusal.userAgent || "–" },
    {
      label: "Why",
      cell: (refusal) => (
        <>
          {refusal.status} {why[refusal.reason] ?? refusal.reason}
          {refusal.reason !== unknownSource && refusal.remedy !== "" && <div className="muted small">{refusal.remedy}</div>}
        </>
      ),
    },
    { label: "Times", numeric: true, cell: (refusal) => refusal.count.toLocaleString("en-GB") },
    {
      label: "Last",
      className: "nowrap",
      title: (refusal) => exactTime(refusal.lastAt),
      cell: (refusal) => ago(refusal.lastAt, now),
    },
    {
      label: "Action",
      unseen: true,
      numeric: true,
      cell: (refusal) =>
        refusal.reason === unknownSource && (
          <Button variant="outlined" aria-haspopup="menu" onClick={(event) => setChosen({ refusal, anchor: event.currentTarget })}>
            Allow this source
          </Button>
        ),
    },
  ];
  return (
    <section aria-label="Turned away">
      <h2 className="section-title">Turned away</h2>
      <p className="settings-intro">
        Calls that were refused, and what mends it. Where no trunk admits a client that is yours, let it in; its next call is taken. Leave
        scanners where they are.
      </p>
      <ListPanel
        caption="Turned away"
        failure="The list of who was turned away could not be loaded."
        list={refusals}
        skeleton={{ rows: 2, height: 45 }}
        empty={<p className="muted quiet-line">Nobody has been turned away in the last day.</p>}
        columns={columns}
        keyOf={(refusal) => `${refusal.sourceAddress} ${refusal.transport} ${refusal.requestUri} ${refusal.reason}`}
      />
      {chosen !== null && <AllowMenu refusal={chosen.refusal} anchor={chosen.anchor} onClose={() => setChosen(null)} />}
    </section>
  );
}

function AllowMenu({ refusal, anchor, onClose }: { refusal: Refusal; anchor: HTMLElement; onClose: () => void }) {
  const { data: trunks = [] } = useGetList<Trunk>("trunks", {
    pagination: { page: 1, perPage: 100 },
    sort: { field: "name", order: "ASC" },
    filter: {},
  });
  const [update] = useUpdate();
  const [create] = useCreate();
  const notify = useNotify();
  const queries = useQueryClient();
  const address = addressOf(refusal.sourceAddress);
  const outcome = {
    onSuccess: () => {
      notify(`Calls from ${address} are taken from now on.`, { type: "info" });
      void queries.invalidateQueries();
    },
    onError: (error: unknown) =>
      notify(
        `${address} is still turned away. ${error instanceof Error ? error.message : ""} ${error instanceof ApiFailure ? error.remedy : ""}`,
        { type: "error", autoHideDuration: 8000 },
      ),
    mutationMode: "pessimistic" as const,
  };
  const add = (trunk: Trunk) => {
    onClose();
    void update(
      "trunks",
      { id: trunk.id, data: { ...trunk, sourceNetworks: [...trunk.sourceNetworks, address] }, previousData: trunk },
      outcome,
    );
  };
  const addNew = () => {
    onClose();
    void create(
      "trunks",
      {
        data: {
          ...blankTrunk,
          name: refusal.userAgent === "" ? `PBX at ${address}` : `${refusal.userAgent} at ${address}`.slice(0, 100),
          sourceNetworks: [address],
        },
      },
      outcome,
    );
  };
  return (
    <Menu open anchorEl={anchor} onClose={onClose}>
      {trunks.map((trunk) => (
        <MenuItem key={trunk.id} onClick={() => add(trunk)}>
          Add to {trunk.name}
        </MenuItem>
      ))}
      <MenuItem onClick={addNew}>As a new trunk</MenuItem>
    </Menu>
  );
}
