/** What every SIP signalling adapter must do on the wire. Named checks, run over real sockets with raw SIP text. */
import { RecordingClient, sdp } from "../testing/recording-client.ts";
import { headerOf, type Received, SipClient } from "../testing/sip-client.ts";
import type {
  SipDialog,
  SipDialogHandlers,
  SipHandlers,
  SipInvite,
  SipReply,
  SipServerRequest,
  SipSignaling,
  SipTransport,
} from "./port.ts";

/** Makes and starts one adapter on free loopback ports: UDP, TCP, and TLS where `tlsChecks` are run. */
export type MakeSignalling = (handlers: SipHandlers) => Promise<SipSignaling>;
export type Check = { readonly name: string; run(make: MakeSignalling): Promise<void> };

const answerBody = { contentType: "application/sdp", content: "v=0\r\n" };

/** Takes every INVITE with a script and remembers what came. */
class Application implements SipHandlers {
  readonly contactParameters = ";+sip.srs";
  readonly allow = ["INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "INFO", "OPTIONS"];
  readonly supported = ["timer"];
  readonly happened: string[] = [];
  invites: SipInvite[] = [];
  dialog: SipDialog | undefined;
  decide: (invite: SipInvite) => void = (invite) => this.accept(invite);

  /** The refusal of every INVITE, before it is kept. */
  screening: SipReply | undefined;
  screened = 0;

  screenInvite() {
    this.screened++;
    return this.screening;
  }

  onOptions() {
    return { status: 200 };
  }

  onInvite(invite: SipInvite): void {
    this.invites.push(invite);
    this.happened.push("invite");
    invite.onCancel(() => this.happened.push("cancel"));
    this.decide(invite);
  }

  accept(invite: SipInvite): void {
    const answer = (name: string) => (request: SipServerRequest) => {
      this.happened.push(name);
      request.reply({ status: 200, ...(name === "reinvite" ? { body: answerBody } : {}) });
    };
    const handlers: SipDialogHandlers = {
      onReinvite: answer("reinvite"),
      onUpdate: answer("update"),
      onInfo: answer("info"),
      onAck: () => this.happened.push("ack"),
      onBye: () => this.happened.push("bye"),
      onAckTimeout: () => this.happened.push("ack-timeout"),
    };
    this.dialog = invite.accept({ status: 200, body: answerBody }, handlers);
  }
}

type Scene = { readonly app: Application; readonly client: RecordingClient; another(): Promise<RecordingClient> };

function check(name: string, transport: SipTransport, play: (scene: Scene) => Promise<void>): Check {
  return {
    name: `${transport}: ${name}`,
    async run(make) {
      const app = new Application();
      const signalling = await make(app);
      const clients: RecordingClient[] = [];
      const connect = async () => {
        const port = signalling.listeners().find((one) => one.transport === transport)!.port;
        const client = new RecordingClient(await SipClient.connect({ transport, port }));
        clients.push(client);
        return client;
      };
      try {
        await play({ app, client: await connect(), another: connect });
      } finally {
        for (const client of clients) client.close();
        await signalling.stop(0);
      }
    },
  };
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(done: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !done(); waited += 10) {
    if (waited > 3000) throw new Error(`${what} did not happen`);
    await pause(10);
  }
}
const offer = { sdp: sdp("m=audio 4000 RTP/AVP 0\r\n") };
const count = (client: RecordingClient, status: number) => client.wire.inbox.filter((one) => one.status === status).length;

const overEach = (transport: SipTransport): Check[] => [
  check("a dialog lives from INVITE over ACK, re-INVITE, UPDATE, INFO to BYE", transport, async ({ app, client }) => {
    await client.start(offer);
    await client.start(offer);
    same((await client.request("UPDATE")).status, 200, "UPDATE");
    same((await client.request("INFO")).status, 200, "INFO");
    same((await client.bye()).status, 200, "BYE");
    same(app.happened, ["invite", "ack", "reinvite", "ack", "update", "info", "bye"], "order of events");
  }),
  check("the answer repeats Via, From, Call-ID and CSeq and adds a To tag, Contact, Allow and Supported", transport, async ({ client }) => {
    const answer = await client.start(offer);
    same(headerOf(answer, "call-id"), client.callId, "Call-ID");
    same(headerOf(answer, "cseq"), "1 INVITE", "CSeq");
    same(/;tag=\S+/.test(headerOf(answer, "to")), true, "To tag");
    same(/^<sip:[^>]+>;\+sip\.srs$/.test(headerOf(answer, "contact")), true, "Contact");
    same([headerOf(answer, "allow").includes("UPDATE"), headerOf(answer, "supported")], [true, "timer"], "Allow, Supported");
    same(headerOf(answer, "via").includes(`;rport=${client.wire.localPort}`), true, "rport (RFC 3581)");
  }),
  check("Record-Route is copied into the 2xx, and our requests follow the route", transport, async ({ app, client }) => {
    const routes = [`<sip:127.0.0.1:${client.wire.localPort};lr;p=1>`, `<sip:127.0.0.1:${client.wire.localPort};lr;p=2>`];
    const answer = await client.start({ ...offer, headers: routes.map((route) => `Record-Route: ${route}`) });
    same(answer.headers.get("record-route"), routes, "Record-Route");
    void app.dialog!.bye([]);
    same((await client.wire.request("BYE")).headers.get("route"), routes, "Route");
  }),
  check("what screening refuses never becomes an INVITE", transport, async ({ app, client }) => {
    app.screening = { status: 503, headers: [["Retry-After", "7"]] };
    const answer = await client.start(offer);
    same([answer.status, headerOf(answer, "retry-after"), /;tag=\S+/.test(headerOf(answer, "to"))], [503, "7", true], "answer");
    same(app.happened, [], "events");
  }),
  check("CANCEL is answered 200 and the INVITE 487", transport, async ({ app, client }) => {
    app.decide = () => {};
    client.sendInvite(offer);
    const trying = await client.wire.next((one) => one.status === 100, "100");
    same(trying.method, "INVITE", "100 for INVITE");
    const branch = /branch=([^;\r\n]+)/.exec(client.lastInvite)?.[1] ?? "";
    client.wire.send(client.message("CANCEL", { branch, contact: "" }));
    same((await client.wire.response("CANCEL")).status, 200, "CANCEL");
    const final = await client.wire.response("INVITE");
    same(final.status, 487, "INVITE");
    client.ack(final);
    await until(() => app.invites[0]?.cancelled === true, "cancel");
    same([app.happened, app.invites[0]?.cancelled], [["invite", "cancel"], true], "events");
    app.accept(app.invites[0]!);
    same(app.dialog, undefined, "accept after cancel");
  }),
  check("CANCEL of nothing, BYE and UPDATE outside a dialog are answered 481", transport, async ({ client }) => {
    same((await client.request("CANCEL")).status, 481, "CANCEL");
    client.toTag = "nothing";
    for (const method of ["BYE", "UPDATE", "INFO"]) same((await client.request(method)).status, 481, method);
  }),
  check("a method that nobody allows is answered 405 with Allow", transport, async ({ client }) => {
    const answer = await client.request("PUBLISH");
    same([answer.status, headerOf(answer, "allow").includes("INVITE")], [405, true], "PUBLISH");
  }),
  check("a request out of order in the dialog is answered 500", transport, async ({ client }) => {
    await client.start(offer);
    same((await client.request("UPDATE", { cseq: 1 })).status, 500, "lower CSeq");
  }),
  check("a re-INVITE while another is open is answered 500 with Retry-After", transport, async ({ app, client }) => {
    let open: SipServerRequest | undefined;
    app.decide = (invite) => {
      app.accept(invite);
      (app.dialog as { handlers?: SipDialogHandlers }).handlers!.onReinvite = (request) => {
        open = request;
      };
    };
    await client.start(offer);
    client.sendInvite(offer);
    await until(() => open !== undefined, "re-INVITE");
    client.sendInvite(offer);
    const second = await client.wire.response("INVITE");
    same([second.status, headerOf(second, "retry-after") !== ""], [500, true], "second");
    open!.reply({ status: 200, body: answerBody });
    same((await client.wire.response("INVITE")).status, 200, "first");
  }),
  check("a re-INVITE whose ACK is lost does not stand in the way of the next one", transport, async ({ app, client }) => {
    await client.start(offer);
    same((await client.invite(offer)).status, 200, "first, not acknowledged");
    const second = await client.invite(offer);
    same(second.status, 200, "second");
    client.ack(second);
    await until(() => app.happened.filter((what) => what === "ack").length === 2, "ACK of the second");
    await pause(700);
    const repeated = client.wire.inbox.filter((one) => one.status === 200 && headerOf(one, "cseq") !== headerOf(second, "cseq"));
    same(repeated.length, 0, "repetitions of the first answer");
  }),
  check("a re-INVITE that comes while the ACK is to bring the answer to our offer waits", transport, async ({ client }) => {
    await client.start(offer);
    same((await client.invite({})).status, 200, "first, with our offer");
    same((await client.invite(offer)).status >= 400, true, "second");
  }),
  check("glare: a re-INVITE that crosses ours is answered 491", transport, async ({ app, client }) => {
    await client.start(offer);
    await until(() => app.happened.includes("ack"), "ACK");
    const ours = app.dialog!.reinvite([], answerBody);
    const reinvite = await client.wire.request("INVITE");
    same((await client.invite(offer)).status, 491, "theirs");
    client.answer(reinvite, 491);
    same((await ours).status, 491, "ours");
  }),
  check("our BYE waits for the ACK, carries headers, and resolves with the answer", transport, async ({ app, client }) => {
    const answer = await client.invite(offer);
    const ended = app.dialog!.bye([["Reason", "SIP;cause=408"]]);
    await pause(100);
    same(
      client.wire.inbox.filter((one) => one.method === "BYE"),
      [],
      "BYE before the ACK",
    );
    client.ack(answer);
    const bye = await client.wire.request("BYE");
    same(headerOf(bye, "reason"), "SIP;cause=408", "Reason");
    client.answer(bye, 200);
    same((await ended).status, 200, "answer");
  }),
  check("our UPDATE carries Contact and body and resolves with the answer's headers", transport, async ({ app, client }) => {
    await client.start(offer);
    const answered = app.dialog!.update([["X-Test", "1"]], { contentType: "text/plain", content: "Grüße" });
    const update = await client.wire.request("UPDATE");
    same([headerOf(update, "x-test"), update.body, headerOf(update, "contact").includes("+sip.srs")], ["1", "Grüße", true], "UPDATE");
    client.answer(update, 200, ["Session-Expires: 90"]);
    same((await answered).header("session-expires"), "90", "answer");
  }),
  check("compact header forms, folding and several Vias in one line are understood", transport, async ({ app, client }) => {
    const via = `SIP/2.0/${transport.toUpperCase()} 127.0.0.1:${client.wire.localPort};branch=z9hG4bKtop;rport , SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKsecond`;
    const port = client.wire.localPort;
    client.wire.send(
      `INVITE sip:record@127.0.0.1 SIP/2.0\r\nv: ${via}\r\nf: "Folded\r\n  name" <sip:a@b>;tag=1\r\nt: <sip:b@c>\r\ni: compact\r\nCSeq: 7\r\n  INVITE\r\nm: <sip:src@127.0.0.1:${port}>\r\nc: application/sdp\r\nl: 5\r\n\r\nv=0\r\n`,
    );
    const answer = await client.wire.response("INVITE");
    same([answer.status, answer.headers.get("via")?.length, headerOf(answer, "call-id")], [200, 2, "compact"], "answer");
    same(app.invites[0]?.request.body, "v=0\r\n", "body");
    same(app.invites[0]?.request.header("contact"), `<sip:src@127.0.0.1:${port}>`, "Contact");
  }),
  check("a message without a header it needs is answered 400 and changes nothing", transport, async ({ app, client }) => {
    const bad = client.message("OPTIONS").replace(/^From: .*$/m, "From: <<<>");
    client.wire.send(bad);
    const answer = await client.wire.next((one) => one.status === 400, "400");
    same([answer.status, app.happened], [400, []], "answer");
  }),
];

const udpOnly: Check[] = [
  check("a repeated INVITE is one INVITE, and is answered again", "udp", async ({ app, client }) => {
    client.sendInvite(offer);
    const first = await client.wire.response("INVITE");
    client.wire.send(client.lastInvite);
    const second = await client.wire.response("INVITE");
    same([app.happened, first.text], [["invite"], second.text], "the same answer");
  }),
  check("2xx is sent again until its ACK, then no more (RFC 3261 13.3.1.4)", "udp", async ({ client }) => {
    const answer = await client.invite(offer);
    await pause(1700);
    same(count(client, 200), 2, "repetitions after 0.5 and 1.5 s");
    client.ack(answer);
    client.wire.inbox.length = 0;
    await pause(2300);
    same(count(client, 200), 0, "repetitions after the ACK");
  }),
  check("a refusal is sent again (Timer G) until its ACK, which is absorbed", "udp", async ({ app, client }) => {
    app.decide = (invite) => invite.reject({ status: 486 });
    const answer = await client.invite(offer);
    await pause(1700);
    same(count(client, 486), 2, "repetitions after 0.5 and 1.5 s");
    client.ack(answer);
    client.ack(answer);
    client.wire.inbox.length = 0;
    await pause(2300);
    same(client.wire.inbox.length, 0, "messages after the ACK");
  }),
  check("a repeated BYE, UPDATE and OPTIONS get the same answer again (Timer J)", "udp", async ({ app, client }) => {
    await client.start(offer);
    const answers: Received[] = [];
    for (const method of ["UPDATE", "OPTIONS", "BYE"]) {
      const text = client.message(method, { contact: "" });
      for (let repeat = 0; repeat < 2; repeat++) {
        client.wire.send(text);
        answers.push(await client.wire.response(method));
      }
    }
    same(
      answers.map((answer) => answer.status),
      [200, 200, 200, 200, 200, 200],
      "answers",
    );
    same([answers[0]!.text === answers[1]!.text, answers[4]!.text === answers[5]!.text], [true, true], "same text");
    same(
      app.happened.filter((name) => name === "update" || name === "bye"),
      ["update", "bye"],
      "handled once",
    );
  }),
  check("our unanswered BYE is sent again (Timer E)", "udp", async ({ app, client }) => {
    await client.start(offer);
    await until(() => app.happened.includes("ack"), "ACK");
    const ended = app.dialog!.bye([]);
    const first = await client.wire.request("BYE");
    const second = await client.wire.request("BYE");
    same(first.text, second.text, "repetition");
    client.answer(second, 200);
    same((await ended).status, 200, "answer");
  }),
  check("equal branches of two clients are two transactions", "udp", async ({ app, client, another }) => {
    const other = await another();
    const branch = (text: string) => text.replace(/branch=[^;\r\n]+/, "branch=z9hG4bKsame");
    for (const one of [client, other]) {
      one.sendInvite(offer);
      await one.wire.response("INVITE");
      one.wire.send(branch(one.message("OPTIONS")));
      same((await one.wire.response("OPTIONS")).status, 200, "OPTIONS");
    }
    same(app.happened, ["invite", "invite"], "events");
  }),
  check("garbage is dropped, and the next message is answered", "udp", async ({ client }) => {
    for (const text of ["", "\r\n\r\n", "\0\0\0\0", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "INVITE"]) client.wire.send(text);
    same((await client.request("OPTIONS")).status, 200, "OPTIONS");
    same(client.wire.inbox.length, 0, "answers to garbage");
  }),
];

const overStreams = (transport: "tcp" | "tls"): Check[] => [
  check("a dialog whose connection is gone answers our requests with 503", transport, async ({ app, client }) => {
    await client.start(offer);
    await until(() => app.happened.includes("ack"), "ACK");
    client.close();
    await pause(50);
    same((await app.dialog!.bye([])).status, 503, "BYE");
  }),
];

/** What an adapter whose sockets and transactions are its own does besides; where a server in front has them, it is that server's to decide. */
export const ownTransportChecks: readonly Check[] = [
  check("where rport is asked for, received is told too, also when Via has it already (RFC 3581 4)", "udp", async ({ client }) => {
    same(headerOf(await client.request("OPTIONS"), "via").includes(";received=127.0.0.1"), true, "received");
  }),
  check("a screened INVITE is refused without a transaction: once for each time it comes, always alike", "udp", async ({ app, client }) => {
    app.screening = { status: 403, reason: "Not You" };
    const answer = await client.invite(offer);
    await pause(1700);
    same([answer.startLine, client.wire.inbox.length], ["SIP/2.0 403 Not You", 0], "nothing is repeated unasked");
    client.wire.send(client.lastInvite);
    same((await client.wire.response("INVITE")).text, answer.text, "the same answer to the same INVITE");
    client.ack(answer);
    client.ack(answer);
    same((await client.request("OPTIONS")).status, 200, "OPTIONS");
    same([client.wire.inbox.length, app.happened, app.screened], [0, [], 2], "the ACK is absorbed");
    app.screening = undefined;
    client.sendInvite(offer);
    client.wire.send(client.lastInvite);
    await client.wire.response("INVITE");
    same([app.happened, app.screened], [["invite"], 3], "one that passes is asked about once");
  }),
  check("the same INVITE over another branch is a merged request: 482", "udp", async ({ app, client }) => {
    app.decide = () => {};
    client.sendInvite(offer);
    await until(() => app.happened.length === 1, "INVITE");
    client.wire.send(client.lastInvite.replace(/branch=[^;\r\n]+/, "branch=z9hG4bKother"));
    same((await client.wire.response("INVITE")).status, 482, "second");
    same(app.happened, ["invite"], "events");
  }),
  check("without rport the answer goes to the port in Via (RFC 3261 18.2.2)", "udp", async ({ client, another }) => {
    const listener = await another();
    client.wire.send(
      client
        .message("OPTIONS")
        .replace(`127.0.0.1:${client.wire.localPort};`, `127.0.0.1:${listener.wire.localPort};`)
        .replace(";rport", ""),
    );
    same((await listener.wire.response("OPTIONS")).status, 200, "answer at the Via port");
  }),
  check("messages arrive in any pieces, and several in one piece", "tcp", async ({ client }) => {
    const [one, two] = [client.message("OPTIONS"), client.message("OPTIONS")];
    for (const piece of one.match(/[\s\S]{1,7}/g)!) {
      client.wire.send(piece);
      await pause(0);
    }
    same((await client.wire.response("OPTIONS")).status, 200, "in pieces");
    client.wire.send(`\r\n${two}${client.message("OPTIONS")}`);
    await client.wire.response("OPTIONS");
    same((await client.wire.response("OPTIONS")).status, 200, "in one piece");
  }),
  check("a message without Content-Length is answered 400 and the connection closed", "tcp", async ({ client }) => {
    client.wire.send(client.message("OPTIONS").replace(/Content-Length: 0\r\n/, ""));
    same((await client.wire.response("OPTIONS")).status, 400, "answer");
    await until(() => client.wire.closed, "close");
  }),
  check("a message over the limit is answered 513 and the connection closed", "tcp", async ({ client }) => {
    client.wire.send(client.message("OPTIONS").replace("Content-Length: 0", "Content-Length: 999999"));
    same((await client.wire.response("OPTIONS")).status, 513, "answer");
    await until(() => client.wire.closed, "close");
  }),
];

export const signallingChecks: readonly Check[] = [...overEach("udp"), ...overEach("tcp"), ...udpOnly, ...overStreams("tcp")];
/** The same over TLS, for an adapter that was made with a certificate. */
export const tlsChecks: readonly Check[] = [...overEach("tls"), ...overStreams("tls")];
