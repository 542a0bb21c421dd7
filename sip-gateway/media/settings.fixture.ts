/** Media settings for tests: the defaults, and what the test changes. */
import { readSettings } from "@earshot/platform/config/settings.ts";
import { type MediaSettings, mediaSettings } from "./settings.ts";

/** The suite of the media plane runs over both kinds of sockets. */
const sockets = process.env.EARSHOT_TEST_RTP_SOCKETS === "dgram" ? "dgram" : "auto";

export function defaultMediaSettings(changes: Partial<MediaSettings> = {}): MediaSettings {
  return { ...readSettings({ media: mediaSettings }, {}).values.media, sockets, ...changes };
}
