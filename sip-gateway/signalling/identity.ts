/** How we name ourselves in SIP messages. */
export const userAgent = "Earshot";
