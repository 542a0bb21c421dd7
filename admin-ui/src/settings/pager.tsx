import Button from "@mui/material/Button";

interface Props {
  page: number;
  perPage: number;
  total: number;
  /** How many there are, in words. */
  text: string;
  back: string;
  on: string;
  onPage: (page: number) => void;
}

/** Below a list that is longer than a page; nothing where it is not. */
export function Pager({ page, perPage, total, text, back, on, onPage }: Props) {
  if (total <= perPage) return null;
  return (
    <div className="pager">
      <span className="muted small">{text}</span>
      <span className="grow" />
      <Button variant="outlined" disabled={page === 1} onClick={() => onPage(page - 1)}>
        {back}
      </Button>
      <Button variant="outlined" disabled={page * perPage >= total} onClick={() => onPage(page + 1)}>
        {on}
      </Button>
    </div>
  );
}
