import Button from "@mui/material/Button";

interface Props {
  /** What the button says, and the button that does it. */
  verb: string;
  question: string;
  /** It has been pressed once. */
  asking: boolean;
  busy: boolean;
  onAsk: (asking: boolean) => void;
  onConfirm: () => void;
}

/** A button for what cannot be undone: it asks before it does it. */
export function AskTwice({ verb, question, asking, busy, onAsk, onConfirm }: Props) {
  if (!asking)
    return (
      <Button variant="text" onClick={() => onAsk(true)} disabled={busy}>
        {verb}
      </Button>
    );
  return (
    <>
      <span className="small">{question}</span>
      <Button variant="outlined" color="error" onClick={onConfirm} disabled={busy}>
        {verb}
      </Button>
      <Button variant="text" onClick={() => onAsk(false)}>
        Keep
      </Button>
    </>
  );
}
