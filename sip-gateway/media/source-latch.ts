/**
 * Symmetric RTP: whom a leg listens to. The first valid source is taken, whatever the SDP said (NAT); the address of the SDP overrules
 * it at any time; another source takes over only when the present one has fallen silent, or an offer moved the peer.
 */
export class SourceLatch {
  readonly #relatchAfterMs: number;
  #address = "";
  #port = 0;
  #signalledAddress = "";
  #signalledPort = 0;
  #lastMs = 0;

  constructor(relatchAfterMs: number) {
    this.#relatchAfterMs = relatchAfterMs;
  }

  get address(): string {
    return this.#address;
  }

  get port(): number {
    return this.#port;
  }

  get latched(): boolean {
    return this.#port !== 0;
  }

  /** What the offer says. A changed one frees the latch. */
  signal(address: string, port: number): void {
    if (address === this.#signalledAddress && port === this.#signalledPort) return;
    this.#signalledAddress = address;
    this.#signalledPort = port;
    this.#port = 0;
    this.#address = "";
  }

  /** Cheap test of the common case, before anything else is looked at. */
  isCurrent(address: string, port: number): boolean {
    return port === this.#port && address === this.#address;
  }

  /** @returns may this source, whose packet is valid, be the one from now on? */
  accepts(address: string, port: number, nowMs: number): boolean {
    const free = this.#port === 0 || nowMs - this.#lastMs >= this.#relatchAfterMs;
    return free || (port === this.#signalledPort && address === this.#signalledAddress);
  }

  latch(address: string, port: number, nowMs: number): void {
    this.#address = address;
    this.#port = port;
    this.#lastMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#lastMs = nowMs;
  }
}
