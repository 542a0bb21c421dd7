/**
 * Where each consumer group stands. Two files are written in turn, each with a number and a checksum: a crash in mid-write spoils the older one
 * at most, and the newest whole one counts.
 */
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Log } from "../log/log.ts";

export class OffsetStore {
  readonly #directory: string;
  readonly #log: Log;
  #offsets = new Map<string, number>();
  #sequence = 0;
  #dirty = false;
  #storing: Promise<void> | undefined;

  constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
  }

  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    for (const name of ["offsets-0", "offsets-1"]) {
      const text = await readFile(join(this.#directory, name), "utf8").catch(() => undefined);
      if (text === undefined) continue;
      const lineEnd = text.indexOf("\n");
      const body = text.slice(lineEnd + 1);
      const [sequence, checksum] = text.slice(0, lineEnd).split(" ").map(Number);
      if (sequence === undefined || checksum !== crc32(body)) {
        this.#log.warn({ file: name }, "event log: an offset file is not whole, the other one counts");
        continue;
      }
      if (sequence <= this.#sequence) continue;
      this.#sequence = sequence;
      this.#offsets = new Map(Object.entries(JSON.parse(body) as Record<string, number>));
    }
  }

  /** The next record of the group, undefined where it has none stored. */
  get(topic: string, partition: number, group: string): number | undefined {
    return this.#offsets.get(name(topic, partition, group));
  }

  set(topic: string, partition: number, group: string, offset: number): void {
    const key = name(topic, partition, group);
    if (this.#offsets.get(key) === offset) return;
    this.#offsets.set(key, offset);
    this.#dirty = true;
  }

  /** Writes what has changed and syncs it. */
  async store(): Promise<void> {
    while (this.#storing !== undefined) await this.#storing;
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#storing = this.#write();
    try {
      await this.#storing;
    } catch (error) {
      this.#dirty = true;
      throw error;
    } finally {
      this.#storing = undefined;
    }
  }

  async #write(): Promise<void> {
    const sequence = this.#sequence + 1;
    const body = JSON.stringify(Object.fromEntries(this.#offsets));
    const handle = await open(join(this.#directory, `offsets-${sequence % 2}`), "w", 0o640);
    try {
      await handle.writeFile(`${sequence} ${crc32(body)}\n${body}`);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    this.#sequence = sequence;
  }
}

const name = (topic: string, partition: number, group: string): string => `${topic}/${partition}/${group}`;
