import ErrorOutline from "@mui/icons-material/ErrorOutlined";
import Button from "@mui/material/Button";
import { ApiFailure } from "../api-client/request.ts";

interface Props {
  /** What was wanted, e.g. "The calls could not be loaded." */
  title: string;
  error: unknown;
  /** Is anything lost? */
  loss?: string;
  retry?: () => void;
}

/** A failure: what failed, whether anything is lost, and the one thing to do. */
export function ErrorNote({ title, error, loss = "Nothing is lost.", retry }: Props) {
  const message = error instanceof Error ? error.message : "";
  const remedy = error instanceof ApiFailure ? error.remedy : "";
  return (
    <div className="note error" role="alert">
      <ErrorOutline className="tone-negative" />
      <div>
        <strong>{title}</strong> {message} {loss}
        {remedy !== "" && <div className="muted">{remedy}</div>}
      </div>
      {retry !== undefined && (
        <Button variant="outlined" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}
