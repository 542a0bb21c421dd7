/**
 * A member of a consumer group on Kafka's classic protocol, with a cooperative scheme of its own: each member says what it holds, the leader
 * shares the partitions out and withholds from the next owner what the present one still holds. A member that finds less in its assignment
 * gives it up at its own pace, goes on with the rest all the while, and joins again; then it is free for the next.
 *
 * A member that has had no answer for a session's time doubts its place, no later than the broker can have given it away, and joins anew.
 *
 * The broker's own cooperative assignors (and its `consumer` protocol) share out each topic by itself; here partition p of every topic must
 * go to one member.
 */
import { Consumer, type ExtendedGroupProtocolSubscription, type GroupPartitionsAssignments } from "@platformatic/kafka";
import { shareOut } from "../share-out.ts";
import { clientOptions, type KafkaAddress } from "./connection.ts";

export type MembershipOptions = {
  readonly address: KafkaAddress;
  readonly clientId: string;
  readonly group: string;
  readonly topics: readonly string[];
  readonly partitions: number;
  readonly sessionTimeoutMs: number;
  readonly retryMs: number;
  /** What is being read or still given up. */
  held(): readonly number[];
  /** @param isNew the group does not know what was held before: another member may have it */
  assigned(partitions: readonly number[], isNew: boolean): void;
  /** The group has not answered for so long that it may have given everything to others. It is asked again; what it says next is told to `assigned`. */
  doubted(): void;
  failed(error: unknown): void;
};

export class Membership {
  readonly consumer: Consumer;
  readonly #options: MembershipOptions;
  #joinedAs: string | undefined;
  #joining: Promise<void> | undefined;
  #again = false;
  #hasLeft = false;
  /** When the newest request that the group answered was sent, by the monotonic clock: the group counts from then or later. */
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #heartbeatAtMs = Number.NEGATIVE_INFINITY;
  #doubting: NodeJS.Timeout | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.consumer = new Consumer({
      ...clientOptions(options.address, options.clientId),
      // A rejoin meets rebalances under way; the rest is tried again by `join`.
      retries: 5,
      retryDelay: 100,
      groupId: options.group,
      autocommit: false,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: Math.max(100, Math.floor(options.sessionTimeoutMs / 12)),
      rebalanceTimeout: Math.max(options.sessionTimeoutMs * 2, 10_000),
      protocols: [{ name: "earshot-co-partitioned", version: 1 }],
      protocolsMetadata: () => Buffer.from(JSON.stringify(this.#held())),
      partitionAssigner: (_leader, members) => this.#shareOut(members),
    });
    this.consumer.topics.trackAll(...options.topics);
    this.consumer.on("consumer:group:join", ({ memberId, assignments }) => {
      const isNew = this.#joinedAs !== undefined && this.#joinedAs !== memberId;
      this.#joinedAs = memberId;
      this.#confirm(performance.now());
      options.assigned(assignments?.find(({ topic }) => topic === options.topics[0])?.partitions ?? [], isNew);
    });
    this.consumer.on("consumer:heartbeat:start", () => {
      this.#heartbeatAtMs = performance.now();
    });
    this.consumer.on("consumer:heartbeat:end", () => this.#confirm(this.#heartbeatAtMs));
    // An answer too: a member that the group does not know is told that instead.
    this.consumer.on("consumer:group:rebalance", () => this.#confirm(this.#heartbeatAtMs));
    // A rejoin by the client's heartbeat failed: from here on it is ours to do.
    this.consumer.on("error", (error: unknown) => {
      options.failed(error);
      void this.join();
    });
    this.consumer.on("consumer:heartbeat:error", ({ error }) => options.failed(error));
  }

  /** Joins, or joins again with what is held now; tried until it succeeds. */
  join(): Promise<void> {
    this.#again = true;
    this.#joining ??= this.#join().finally(() => {
      this.#joining = undefined;
    });
    return this.#joining;
  }

  async #join(): Promise<void> {
    while (this.#again && !this.#hasLeft) {
      this.#again = false;
      try {
        await this.consumer.joinGroup();
      } catch (error) {
        if (this.#hasLeft) return;
        this.#options.failed(error);
        this.#again = true;
        await new Promise((resolve) => setTimeout(resolve, this.#options.retryMs));
      }
    }
  }

  /** What the group has given is still this member's: nobody else gets it before a session without an answer is over. */
  get isConfirmed(): boolean {
    return performance.now() - this.#confirmedAtMs < this.#options.sessionTimeoutMs;
  }

  #confirm(atMs: number): void {
    if (atMs <= this.#confirmedAtMs || this.#hasLeft) return;
    this.#confirmedAtMs = atMs;
    clearTimeout(this.#doubting);
    this.#doubting = setTimeout(() => this.doubt(), Math.max(0, atMs + this.#options.sessionTimeoutMs - performance.now()));
  }

  /** Nothing counts as this member's any more until it has joined again. Also what brings a client back that has ended its heartbeats. */
  doubt(): void {
    if (this.#hasLeft) return;
    clearTimeout(this.#doubting);
    this.#options.doubted();
    void this.join();
  }

  async leave(): Promise<void> {
    this.#hasLeft = true;
    clearTimeout(this.#doubting);
    await this.consumer.close(true).catch((error) => this.#options.failed(error));
  }

  #held(): readonly number[] {
    return this.#joinedAs !== undefined && this.consumer.memberId === this.#joinedAs ? this.#options.held() : [];
  }

  #shareOut(members: Map<string, ExtendedGroupProtocolSubscription>): GroupPartitionsAssignments[] {
    const ids = [...members.keys()].sort();
    const taken = new Map<number, string>();
    const held = ids.map((id) => {
      const claimed = heldBy(members.get(id)!).filter((partition) => !taken.has(partition));
      for (const partition of claimed) taken.set(partition, id);
      return claimed;
    });
    return shareOut(this.#options.partitions, held).map((share, i) => {
      const free = share.filter((partition) => (taken.get(partition) ?? ids[i]) === ids[i]);
      return {
        memberId: ids[i]!,
        assignments: new Map(this.#options.topics.map((topic) => [topic, { topic, partitions: free }])),
      };
    });
  }
}

function heldBy({ metadata }: ExtendedGroupProtocolSubscription): readonly number[] {
  try {
    const held: unknown = JSON.parse(String(metadata));
    return Array.isArray(held) ? held.filter((one) => Number.isInteger(one)) : [];
  } catch {
    return [];
  }
}
