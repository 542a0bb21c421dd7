/** Times and durations as people read them; every wall clock time is in the tenant's zone, and the zone is shown. */

let zone = "UTC";

/** The tenant's zone, set once the session is known. An unknown zone name falls back to UTC. */
export function setTimeZone(name: string): void {
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: name });
    zone = name;
  } catch {
    zone = "UTC";
  }
}

export const timeZone = (): string => zone;

/** `4:07`, `1:02:09`; a dash for null. */
export function duration(ms: number | null): string {
  if (ms === null) return "–";
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3600);
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** `4 min 7 s`, for a screen reader and for sentences. */
export function spokenDuration(ms: number | null): string {
  if (ms === null) return "unknown";
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });

/** `14:03:22` */
export const clockTime = (iso: string): string => format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(iso));

/** `20 Nov, 14:03` */
export const dayTime = (iso: string): string =>
  format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(new Date(iso));

/** `20 Nov, 14:03:22` */
export const secondTime = (iso: string): string =>
  format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(iso));

/** `Fri 20 November 2026, 14:03:22 CET`: exact, with the zone. */
export const exactTime = (iso: string): string =>
  format({
    weekday: "short",
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  }).format(new Date(iso));

/** `20 Nov` of a `2026-11-20` day, which has no zone of its own. */
export const dayName = (day: string): string =>
  new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short" }).format(new Date(`${day.slice(0, 10)}T00:00:00Z`));

/** `CET`, `GMT+2`: the tenant's zone now. */
export function zoneName(): string {
  const part = format({ timeZoneName: "short" })
    .formatToParts(new Date())
    .find((piece) => piece.type === "timeZoneName");
  return part?.value ?? zone;
}

/** `3 min ago`; the caller shows {@link exactTime} on hover. */
export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
