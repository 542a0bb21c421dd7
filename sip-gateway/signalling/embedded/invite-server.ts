/** SIP.js' INVITE server, with the 2xx left to us: its own would hard-code Allow and Contact. */
import {
  Dialog,
  type IncomingRequestMessage,
  InviteServerTransaction,
  InviteUserAgentServer,
  type ResponseOptions,
  SessionDialog,
  type UserAgentCore,
  UserAgentServer,
} from "sip.js/lib/core/index.js";

export class InviteServer extends InviteUserAgentServer {
  declare protected core: UserAgentCore;

  /** Sends the 2xx and creates the confirmed dialog, which retransmits it until the ACK (RFC 3261 13.3.1.4, RFC 6026 8.1). */
  establish(options: ResponseOptions): SessionDialog {
    const state = Dialog.initialDialogStateForUserAgentServer(this.message, this.toTag);
    const dialog = new SessionDialog(this.transaction as InviteServerTransaction, this.core, state);
    UserAgentServer.prototype.accept.call(this, options);
    return dialog;
  }

  get inviteTransaction(): InviteServerTransaction {
    return this.transaction as InviteServerTransaction;
  }
}

export function isInviteTransaction(server: { readonly transaction: unknown }): boolean {
  return server.transaction instanceof InviteServerTransaction;
}

export type RequestMessage = IncomingRequestMessage;
