import StopOutlined from "@mui/icons-material/StopOutlined";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "../api-client/request.ts";
import { ErrorNote } from "../frame/error-note.tsx";

/** Ends the recording of a call that is up, after asking: nothing brings it back. */
export function StopButton({ call }: { call: { id: string; ended: unknown } }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState("");
  const stop = useMutation({
    mutationFn: () => request(`/calls/${encodeURIComponent(call.id)}/stop`, { method: "POST", body: reason === "" ? {} : { reason } }),
    onSuccess: () => setAsking(false),
  });
  const close = () => {
    setAsking(false);
    stop.reset();
  };
  return (
    <>
      <Button
        variant="outlined"
        startIcon={<StopOutlined />}
        disabled={call.ended !== null}
        onClick={() => setAsking(true)}
        title="End the recording; the people on the phone talk on"
      >
        Stop recording
      </Button>
      {asking && call.ended === null && (
        <Dialog
          open
          onClose={stop.isPending ? undefined : close}
          fullWidth
          maxWidth="xs"
          slotProps={{ paper: { "aria-label": "Stop recording" } }}
        >
          <form
            className="edit-form"
            onSubmit={(event) => {
              event.preventDefault();
              stop.mutate();
            }}
          >
            <h2 className="edit-title">Stop recording?</h2>
            <div className="edit-fields">
              <p>
                The people on the phone talk on. From now on nothing of this call is recorded, transcribed or shown, and it cannot be taken
                up again; what was recorded so far stays.
              </p>
              <div className="field">
                <label htmlFor="stop-reason">Reason (for the audit log)</label>
                <input
                  id="stop-reason"
                  className="plain-input"
                  maxLength={200}
                  value={reason}
                  onChange={(event) => setReason(event.target.value)}
                />
              </div>
              {stop.error !== null && <ErrorNote title="The recording goes on." error={stop.error} loss="" />}
            </div>
            <div className="edit-actions">
              <span className="grow" />
              <Button variant="text" onClick={close} disabled={stop.isPending}>
                Keep recording
              </Button>
              <Button type="submit" variant="contained" color="error" disabled={stop.isPending}>
                Stop recording
              </Button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  );
}
