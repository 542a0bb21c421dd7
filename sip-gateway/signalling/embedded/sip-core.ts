/** SIP.js' core as one user agent on many flows: every message it makes leaves through the flow that is current, with our identity on it. */
import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import { EarshotError } from "@earshot/proto/errors.ts";
import {
  type Body,
  type Contact,
  constructOutgoingResponse,
  type IncomingRequestMessage,
  LoggerFactory,
  URI,
  UserAgentCore,
} from "sip.js/lib/core/index.js";
import { userAgent } from "../identity.ts";
import type { SipHandlers, SipPeer, SipReply } from "../port.ts";
import { lines, sipBody } from "./embedded-dialog.ts";
import type { Flow } from "./flow.ts";

export class SipCore {
  readonly agent: UserAgentCore;
  #handlers: SipHandlers | undefined;
  #flow: Flow | undefined;

  constructor() {
    const loggerFactory = new LoggerFactory();
    loggerFactory.builtinEnabled = false;
    const self = this;
    const contactUri = new URI("sip", "srs", "earshot.invalid");
    const contact: Contact = {
      pubGruu: undefined,
      tempGruu: undefined,
      uri: contactUri,
      toString: () => self.contact(self.#currentFlow().peer),
    };
    this.agent = new UserAgentCore({
      aor: contactUri,
      contact,
      displayName: "",
      loggerFactory,
      hackViaTcp: false,
      routeSet: [],
      sipjsId: "",
      get supportedOptionTags() {
        return [...self.handlers.supported];
      },
      get supportedOptionTagsResponse() {
        return [...self.handlers.supported];
      },
      userAgentHeaderFieldValue: userAgent,
      viaForceRport: true,
      get viaHost() {
        const { peer } = self.#currentFlow();
        return `${hostPart(peer.localAddress)}:${peer.localPort}`;
      },
      authenticationFactory: () => undefined,
      transportAccessor: () => self.#currentFlow(),
    });
  }

  handle(handlers: SipHandlers): void {
    this.#handlers = handlers;
  }

  get handlers(): SipHandlers {
    if (this.#handlers === undefined) throw new EarshotError("bug", "sip_no_handlers", "SIP signalling was started before handle().");
    return this.#handlers;
  }

  /** Runs SIP.js code whose messages shall leave through `flow`. */
  through<T>(flow: Flow, run: () => T): T {
    const before = this.#flow;
    this.#flow = flow;
    try {
      return run();
    } finally {
      this.#flow = before;
    }
  }

  #currentFlow(): Flow {
    if (this.#flow === undefined) throw new EarshotError("bug", "sip_no_flow", "SIP.js was called outside a flow.");
    return this.#flow;
  }

  contact(peer: SipPeer): string {
    const transport = peer.transport === "udp" ? "" : `;transport=${peer.transport}`;
    return `<sip:srs@${hostPart(peer.localAddress)}:${peer.localPort}${transport}>${this.handlers.contactParameters}`;
  }

  /** @param contact methods whose answers carry a Contact (RFC 3261 table 2) */
  responseOptions(reply: SipReply, peer: SipPeer, contact: boolean) {
    const { allow } = this.handlers;
    const extraHeaders = [
      ...(contact ? [`Contact: ${this.contact(peer)}`] : []),
      `Allow: ${allow.join(", ")}`,
      ...lines(reply.headers ?? []),
    ];
    const body = sipBody(reply.body) as Body | undefined;
    return {
      statusCode: reply.status,
      extraHeaders,
      ...(reply.reason === undefined ? {} : { reasonPhrase: reply.reason }),
      ...(body === undefined ? {} : { body }),
    };
  }

  /** For requests whose answer is the same each time; the To tag comes from the transaction, so that a repetition gets the same. */
  replyStateless(message: IncomingRequestMessage, reply: SipReply, peer: SipPeer): void {
    const toTag = createHash("sha256").update(message.viaBranch).digest("base64url").slice(0, 16);
    const options = {
      ...this.responseOptions(reply, peer, message.method === "OPTIONS"),
      toTag,
      userAgent,
      supported: [...this.handlers.supported],
    };
    this.#currentFlow()
      .send(constructOutgoingResponse(message, options).message)
      .catch(() => {});
  }
}

const hostPart = (address: string): string => (isIPv6(address) ? `[${address}]` : address);
