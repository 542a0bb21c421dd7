/** Where a drachtio-server takes applications. */
export type DrachtioAddress = { readonly host: string; readonly port: number; readonly secret: string };

const defaultPort = 9022;

/** @throws TypeError where it is no drachtio://:SECRET@HOST[:PORT] */
export function readDrachtioUrl(url: string): DrachtioAddress {
  const { protocol, hostname, port, password, username } = new URL(url);
  if (protocol !== "drachtio:" || hostname === "" || username !== "" || password === "") throw new TypeError("not a drachtio URL");
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? defaultPort : Number(port), secret: decodeURIComponent(password) };
}

export function isDrachtioUrl(text: string): boolean {
  try {
    readDrachtioUrl(text);
    return true;
  } catch {
    return false;
  }
}
