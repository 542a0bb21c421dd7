import { expect, test } from "vitest";
import { allTopics, topicsWithMedia } from "./topics.ts";

test("the room for audio is the installation's; every other topic stays as the table says", () => {
  const changed = topicsWithMedia(7);
  expect(changed.filter((topic, index) => topic !== allTopics[index])).toEqual([
    { ...allTopics.find(({ name }) => name === "media.v1"), retentionBytes: 7 },
  ]);
});
