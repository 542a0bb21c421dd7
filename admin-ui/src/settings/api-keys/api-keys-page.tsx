import AddOutlined from "@mui/icons-material/AddOutlined";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import TextField from "@mui/material/TextField";
import { type FormEvent, useState } from "react";
import { useCreate, useDelete, useGetList, useNotify, useRefresh } from "react-admin";
import { copyText } from "../../format/copy-text.ts";
import { ago, dayTime, exactTime } from "../../format/time.ts";
import { ErrorNote } from "../../frame/error-note.tsx";
import { ListPanel, type PanelColumn } from "../list-panel.tsx";
import type { ApiKey, ApiKeyCreated } from "../types.ts";

export default function ApiKeysPage() {
  const keys = useGetList<ApiKey>("api-keys", {
    pagination: { page: 1, perPage: 200 },
    sort: { field: "name", order: "ASC" },
    filter: {},
  });
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const columns: readonly PanelColumn<ApiKey>[] = [
    { label: "Name", cell: (key) => <b className="strong">{key.name}</b> },
    { label: "Begins with", cell: (key) => <code>{key.prefix}…</code> },
    { label: "Made", title: (key) => exactTime(key.createdAt), cell: (key) => dayTime(key.createdAt) },
    {
      label: "Last used",
      title: (key) => (key.lastUsedAt === null ? undefined : exactTime(key.lastUsedAt)),
      cell: (key) => (key.lastUsedAt === null ? <span className="faint">Never</span> : ago(key.lastUsedAt, Date.now())),
    },
    {
      label: "Action",
      unseen: true,
      numeric: true,
      cell: (key) => (
        <Button variant="text" onClick={() => setRevoking(key)} aria-label={`Withdraw ${key.name}`}>
          Withdraw
        </Button>
      ),
    },
  ];
  return (
    <>
      <div className="page-head">
        <h1>API keys</h1>
        <span className="grow" />
        <Button variant="outlined" href="/api/docs" target="_blank" rel="noreferrer">
          API documentation
        </Button>
        <Button variant="contained" startIcon={<AddOutlined />} onClick={() => setMaking(true)}>
          New API key
        </Button>
      </div>
      <p className="settings-intro">
        For programs that read or change this tenant, sent as <code>Authorization: Bearer</code>. A key is shown once, when it is made;
        Earshot keeps only its hash.
      </p>
      <ListPanel
        caption="API keys"
        failure="The API keys could not be loaded."
        list={keys}
        skeleton={{ rows: 3, height: 45 }}
        empty={
          <div className="empty">
            <h2>No API key yet</h2>
            <p>Make one for each program, so that each can be withdrawn by itself.</p>
          </div>
        }
        columns={columns}
        keyOf={(key) => key.id}
      />
      {making && <MakeKey onClose={() => setMaking(false)} />}
      {revoking !== null && <WithdrawKey apiKey={revoking} onClose={() => setRevoking(null)} />}
    </>
  );
}

function MakeKey({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [made, setMade] = useState<ApiKeyCreated | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [copied, setCopied] = useState<boolean | null>(null);
  const [create, { isPending }] = useCreate<ApiKeyCreated>();
  const refresh = useRefresh();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setError(null);
    void create("api-keys", { data: { name: name.trim() } }, { onSuccess: setMade, onError: setError });
  };
  const close = () => {
    refresh();
    onClose();
  };
  return (
    // A click beside the dialog must not lose the only sight of the key.
    <Dialog
      open
      onClose={made === null ? onClose : undefined}
      fullWidth
      maxWidth="sm"
      slotProps={{ paper: { "aria-label": "New API key" } }}
    >
      {made === null ? (
        <form className="edit-form" onSubmit={submit}>
          <h2 className="edit-title">New API key</h2>
          <div className="edit-fields">
            <div className="field">
              <label htmlFor="key-name">Name</label>
              <TextField
                id="key-name"
                value={name}
                onChange={(event) => setName(event.target.value)}
                autoFocus
                required
                slotProps={{ htmlInput: { maxLength: 100 } }}
              />
              <span className="help">The program that will use it, such as “Warehouse export”.</span>
            </div>
            {error !== null && <ErrorNote title="The key was not made." error={error} loss="" />}
          </div>
          <div className="edit-actions">
            <span className="grow" />
            <Button variant="text" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" variant="contained" disabled={isPending || name.trim() === ""}>
              Make the key
            </Button>
          </div>
        </form>
      ) : (
        <div className="edit-form">
          <h2 className="edit-title">The key for {made.name}</h2>
          <div className="edit-fields">
            <p>Copy it now. It is not shown again, and nobody can look it up.</p>
            <output className="key-shown">
              <code>{made.key}</code>
            </output>
          </div>
          <div className="edit-actions">
            <span className={`small ${copied ? "tone-positive" : "muted"}`} role="status">
              {copied === null ? "" : copied ? "Copied" : "The browser does not let us: select it and copy."}
            </span>
            <span className="grow" />
            <Button variant="outlined" onClick={() => void copyText(made.key).then(setCopied)}>
              Copy
            </Button>
            <Button variant="contained" onClick={close}>
              I have it
            </Button>
          </div>
        </div>
      )}
    </Dialog>
  );
}

function WithdrawKey({ apiKey, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const [remove, { isPending }] = useDelete();
  const [error, setError] = useState<unknown>(null);
  const notify = useNotify();
  const refresh = useRefresh();
  const run = () =>
    void remove(
      "api-keys",
      { id: apiKey.id, previousData: apiKey },
      {
        mutationMode: "pessimistic",
        onSuccess: () => {
          notify(`${apiKey.name} is withdrawn.`, { type: "info" });
          refresh();
          onClose();
        },
        onError: setError,
      },
    );
  return (
    <Dialog open onClose={onClose} fullWidth maxWidth="xs" slotProps={{ paper: { "aria-label": `Withdraw ${apiKey.name}` } }}>
      <div className="edit-form">
        <h2 className="edit-title">Withdraw “{apiKey.name}”?</h2>
        <div className="edit-fields">
          <p>The program that uses it is refused from this moment. This cannot be undone; a new key can be made.</p>
          {error !== null && <ErrorNote title="The key was not withdrawn." error={error} loss="It still works." />}
        </div>
        <div className="edit-actions">
          <span className="grow" />
          <Button variant="text" onClick={onClose}>
            Keep it
          </Button>
          <Button variant="contained" color="error" disabled={isPending} onClick={run}>
            Withdraw
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
