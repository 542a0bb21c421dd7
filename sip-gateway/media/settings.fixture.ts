/** Media settings for tests: the defaults, and what the test changes. */
import { readSettings } from "@earshot/platform/config/settings.ts";
import { type MediaSettings, mediaSettings } from "./settings.ts";

export function defaultMediaSettings(changes: Partial<MediaSettings> = {}): MediaSettings {
  return { ...readSettings({ media: mediaSettings }, {}).values.media, ...changes };
}
