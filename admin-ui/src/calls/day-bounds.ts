/** Start and end of a calendar day (`2026-11-20`) in a time zone, as ISO 8601. Right on days with a clock change too. */
export function dayBounds(day: string, zone: string): { from: string; to: string } {
  const [year = 1970, month = 1, date = 1] = day.split("-").map(Number);
  return { from: midnight(year, month, date, zone), to: midnight(year, month, date + 1, zone) };
}

function midnight(year: number, month: number, date: number, zone: string): string {
  const wall = Date.UTC(year, month - 1, date);
  // The offset at the guess may be that of the other side of a clock change: the second round settles it.
  let instant = wall - offsetMs(wall, zone);
  instant = wall - offsetMs(instant, zone);
  return new Date(instant).toISOString();
}

function offsetMs(instant: number, zone: string): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(new Date(instant));
  const part = (type: string) => Number(parts.find((piece) => piece.type === type)?.value ?? 0);
  const wall = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return wall - Math.floor(instant / 1000) * 1000;
}
