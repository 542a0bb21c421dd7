/** Dialogues from templates: what callers want, how it goes, how it ends. `{slot}` is filled per call. */
import type { Random } from "./random.ts";

export type Line = { side: "agent" | "caller"; text: string; sentiment: number };
export type Dialogue = { topic: string; queue: string; lines: Line[]; resolved: boolean };

type Said = readonly [side: "agent" | "caller", sentiment: number, ...variants: string[]];
type Topic = { name: string; queue: string; weight: number; problem: readonly Said[]; good: readonly Said[]; bad: readonly Said[] };

const slots: Record<string, readonly string[]> = {
  company: ["Northwind Telecom"],
  item: ["router", "handset", "headset", "cable set", "wall bracket", "repeater"],
  amount: ["12 euros", "29 euros and 90 cents", "45 euros", "64 euros", "118 euros", "240 euros"],
  month: ["January", "March", "May", "July", "September", "November"],
  day: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
  days: ["two days", "three days", "a week", "ten days", "two weeks"],
  plan: ["Basic", "Family", "Office", "Fibre 250", "Fibre 500"],
  time: ["half past nine", "eleven o'clock", "two in the afternoon", "a quarter to four"],
  number: ["four one seven two", "eight eight zero five", "two nine three six", "seven five one one"],
};

const opening: readonly Said[] = [
  [
    "agent",
    0.3,
    "Good morning, {company}, you are speaking with {agent}, how can I help?",
    "{company}, my name is {agent}, what can I do for you today?",
    "Hello and welcome to {company}, this is {agent}.",
  ],
  ["agent", 0, "Before we start, this call is recorded for quality and training.", "Just so you know, calls are recorded."],
];

const topics: readonly Topic[] = [
  {
    name: "billing",
    queue: "Billing",
    weight: 26,
    problem: [
      [
        "caller",
        -0.3,
        "I have a question about my bill for {month}, it is {amount} higher than usual.",
        "There is a charge of {amount} on my invoice that I do not understand.",
      ],
      [
        "agent",
        0.1,
        "I am sorry to hear that, let me have a look. Could you give me your customer number, please?",
        "Let me check that for you. What is your customer number?",
      ],
      ["caller", 0, "Yes, it ends with {number}.", "One moment. It is the one that ends with {number}."],
      ["agent", 0, "Thank you. I can see the charge, it is for the {plan} plan from {month}.", "I see a one-off fee for a {item} here."],
      ["caller", -0.5, "But nobody told me about that, I never ordered it.", "That is not what I was promised when I signed the contract."],
    ],
    good: [
      [
        "agent",
        0.4,
        "You are right, that should not be there. I will refund the {amount} to your account.",
        "I understand. I have removed the fee, and you get {amount} back with the next bill.",
      ],
      ["caller", 0.7, "Oh, that is great, thank you very much.", "Perfect, that was quick. Thank you."],
    ],
    bad: [
      [
        "agent",
        -0.2,
        "Unfortunately the charge is correct, I cannot refund it.",
        "I am afraid that is in the terms, there is nothing I can do.",
      ],
      ["caller", -0.8, "This is ridiculous, I want to speak to a supervisor.", "That is unacceptable. I will take it up with my lawyer."],
    ],
  },
  {
    name: "outage",
    queue: "Technical support",
    weight: 24,
    problem: [
      [
        "caller",
        -0.5,
        "My internet has been down for {days} and I work from home.",
        "The line keeps dropping since {day}, it is really frustrating.",
      ],
      [
        "agent",
        0.2,
        "I am sorry about that. Is the light on the {item} green or red?",
        "That must be annoying. Have you restarted the {item} already?",
      ],
      ["caller", -0.1, "It is blinking red.", "Yes, twice, and it did not change anything."],
      ["agent", 0, "Let me run a test on your line, that takes about a minute.", "I will measure the line now, please stay with me."],
    ],
    good: [
      [
        "agent",
        0.3,
        "I found a fault in the port and reset it. Could you try again?",
        "The line is back in synchronisation. Is it working now?",
      ],
      ["caller", 0.6, "Yes, it is working again, wonderful.", "It is back. Thank you for your help."],
    ],
    bad: [
      [
        "agent",
        -0.1,
        "I have to send an engineer, the next appointment is on {day}.",
        "This needs an engineer, I can offer {day} at {time}.",
      ],
      ["caller", -0.6, "That is far too late. I want to cancel my contract.", "Another {days} without a line? That is terrible service."],
    ],
  },
  {
    name: "cancellation",
    queue: "Cancellations",
    weight: 14,
    problem: [
      ["caller", -0.3, "I want to cancel my {plan} contract, please.", "I am moving, and I would like to cancel my contract."],
      ["agent", 0, "May I ask what the reason is?", "I am sorry to see you go. Is there anything we did wrong?"],
      ["caller", -0.4, "It is too expensive, another company offers it for {amount} less.", "I have had nothing but trouble for {days}."],
    ],
    good: [
      [
        "agent",
        0.4,
        "I could offer you the {plan} plan for {amount} less per month.",
        "If you stay, I can give you three months free of charge.",
      ],
      ["caller", 0.5, "That sounds fair, let us do that.", "All right, then I will stay."],
    ],
    bad: [
      ["agent", -0.1, "I have noted it, your contract ends in {month}.", "The notice period is three months, so it ends in {month}."],
      ["caller", -0.5, "Three months? That is not what I signed.", "Fine. Send me the confirmation in writing."],
    ],
  },
  {
    name: "sale",
    queue: "Sales",
    weight: 16,
    problem: [
      ["caller", 0.2, "I saw your offer for {plan}, is it available at my address?", "I would like to upgrade to {plan}."],
      ["agent", 0.4, "Great choice. Let me check the address, one moment please.", "Gladly. May I have your postcode?"],
      ["caller", 0.1, "It is five zero six seven two.", "Sure. And how long would the installation take?"],
      ["agent", 0.3, "It is available, and the {item} is included.", "The installation takes two hours, and we come on {day}."],
    ],
    good: [
      ["caller", 0.6, "Excellent, then I would like to order it.", "Good, please send me the contract."],
      ["agent", 0.6, "Wonderful, you will get the confirmation by email today.", "Perfect, I have booked {day} at {time} for you."],
    ],
    bad: [
      ["caller", -0.1, "I have to think about it.", "That is more than I wanted to spend."],
      ["agent", 0.2, "Of course, the offer is valid until the end of {month}.", "No problem, I will send you the details by email."],
    ],
  },
  {
    name: "delivery",
    queue: "Service",
    weight: 20,
    problem: [
      ["caller", -0.2, "I ordered a {item} {days} ago and it has not arrived.", "The {item} that you sent me is broken."],
      ["agent", 0.2, "I am sorry. What is the order number?", "Let me see where it is. Do you have the order number at hand?"],
      ["caller", 0, "It is {number}.", "Yes, {number}."],
    ],
    good: [
      [
        "agent",
        0.4,
        "I am sending you a new one today, it will be there on {day}.",
        "It is with the courier and will be delivered on {day}.",
      ],
      ["caller", 0.5, "Thank you, that helps.", "Great, thanks a lot."],
    ],
    bad: [
      [
        "agent",
        -0.2,
        "It is out of stock, unfortunately, it will take another {days}.",
        "I cannot see where it is, please wait another {days}.",
      ],
      [
        "caller",
        -0.6,
        "I am really disappointed, this is the third time I call.",
        "Then cancel the order, please, and give me my money back.",
      ],
    ],
  },
];

const small: readonly Said[] = [
  ["agent", 0.1, "Please bear with me for a moment.", "I am just opening your file.", "The system is a little slow today."],
  ["caller", 0, "No problem.", "Take your time.", "Okay."],
  ["agent", 0.1, "Could you confirm your date of birth, please?", "And the address is still the same?"],
  ["caller", 0, "Yes, that is correct.", "Yes, nothing has changed there."],
];

const closing: readonly Said[] = [
  ["agent", 0.3, "Is there anything else I can do for you?", "Can I help you with anything else?"],
  ["caller", 0.1, "No, that was all.", "No, thank you, goodbye."],
  ["agent", 0.4, "Thank you for calling, have a nice day.", "Thank you, and goodbye."],
];

export function makeDialogue(random: Random, agent: string): Dialogue {
  const topic = topics[random.weighted(topics.map(({ weight }) => weight))]!;
  const resolved = random.chance(0.72);
  const chat = random.chance(0.6) ? small.slice(0, random.chance(0.5) ? 2 : 4) : [];
  const said = [
    ...opening.slice(0, random.chance(0.85) ? 2 : 1),
    ...topic.problem,
    ...chat,
    ...(resolved ? topic.good : topic.bad),
    ...closing,
  ];
  const filled = new Map([["agent", agent.split(" ")[0] ?? agent]]);
  const fill = (text: string) =>
    text.replace(/\{(\w+)\}/g, (_, slot: string) => {
      const value = filled.get(slot) ?? random.pick(slots[slot] ?? [slot]);
      filled.set(slot, value);
      return value;
    });
  return {
    topic: topic.name,
    queue: topic.queue,
    resolved,
    lines: said.map(([side, sentiment, ...variants]) => ({
      side,
      text: fill(random.pick(variants)),
      sentiment: Math.max(-1, Math.min(1, Math.round((sentiment + (random.next() - 0.5) * 0.3) * 1000) / 1000)),
    })),
  };
}
