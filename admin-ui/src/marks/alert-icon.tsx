import type { Alert } from "@earshot/proto/api/calls.ts";
import ErrorOutline from "@mui/icons-material/ErrorOutlined";
import InfoOutlined from "@mui/icons-material/InfoOutlined";
import WarningAmber from "@mui/icons-material/WarningAmberOutlined";

/** Critical is a circle, a warning a triangle, information an i. */
export function AlertIcon({ severity }: { severity: Alert["severity"] }) {
  if (severity === "critical") return <ErrorOutline className="tone-negative" titleAccess="Critical" />;
  if (severity === "warning") return <WarningAmber className="tone-uneasy" titleAccess="Warning" />;
  return <InfoOutlined className="tone-neutral" titleAccess="Information" />;
}
