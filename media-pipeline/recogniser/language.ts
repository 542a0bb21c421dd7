/** Languages as engines name them. */

/** @param language BCP 47: of "de-AT" it is "de", which is all that the engines tell apart; "" stays "" */
export const primaryTag = (language: string): string => language.split("-")[0]!.toLowerCase();
