/** What stands in for a page that is on its way: the same blocks in the same places. */
export function PageSkeleton() {
  return (
    <div className="page" aria-busy="true">
      <span className="sr-only" role="status">
        Loading
      </span>
      <div className="page-head">
        <Bar width={160} height={20} />
      </div>
      <div className="panel">
        <SkeletonRows rows={10} />
      </div>
    </div>
  );
}

export function Bar({ width, height = 12 }: { width: number | string; height?: number }) {
  return <span className="skeleton" style={{ width, height, maxWidth: "100%" }} />;
}

export function SkeletonRows({ rows, height = 48 }: { rows: number; height?: number }) {
  return (
    <div aria-hidden="true">
      {Array.from({ length: rows }, (_, row) => (
        // the rows are all the same
        <div
          key={row}
          className="row"
          style={{ height, padding: "0 16px", gap: 24, borderBottom: row + 1 < rows ? "1px solid var(--line)" : 0 }}
        >
          <Bar width={32} height={24} />
          <Bar width={`${18 + ((row * 7) % 9)}%`} />
          <Bar width={`${10 + ((row * 5) % 7)}%`} />
          <Bar width={`${22 + ((row * 11) % 17)}%`} />
          <Bar width="8%" />
        </div>
      ))}
    </div>
  );
}
