/**
 * The colours of both themes: neutral surfaces, one accent (cobalt), and four tones of meaning. Every text colour is AA (4.5:1)
 * on `bg`, `surface` and its own soft ground; `palette.test.ts` holds that.
 */
export interface Palette {
  bg: string;
  surface: string;
  sunken: string;
  hover: string;
  raised: string;
  line: string;
  lineStrong: string;
  text: string;
  text2: string;
  text3: string;
  accent: string;
  accentSoft: string;
  onAccent: string;
  positive: string;
  positiveSoft: string;
  neutral: string;
  neutralSoft: string;
  uneasy: string;
  uneasySoft: string;
  negative: string;
  negativeSoft: string;
  shadow: string;
}

export const light: Palette = {
  bg: "#f6f6f3",
  surface: "#ffffff",
  sunken: "#eeeeea",
  hover: "#f3f3ef",
  raised: "#ffffff",
  line: "#e4e4de",
  lineStrong: "#c9c9c1",
  text: "#1a1c1b",
  text2: "#50555a",
  text3: "#646966",
  accent: "#3347c9",
  accentSoft: "#e8ebfb",
  onAccent: "#ffffff",
  positive: "#0a6b66",
  positiveSoft: "#dcefed",
  neutral: "#5f6562",
  neutralSoft: "#ecedea",
  uneasy: "#855400",
  uneasySoft: "#faeed6",
  negative: "#ab1d49",
  negativeSoft: "#fbe4ea",
  shadow: "0 12px 32px rgb(20 24 22 / 16%), 0 2px 6px rgb(20 24 22 / 8%)",
};

export const dark: Palette = {
  bg: "#101211",
  surface: "#161918",
  sunken: "#0c0e0d",
  hover: "#1c201f",
  raised: "#1e2221",
  line: "#272c2a",
  lineStrong: "#3d4441",
  text: "#e6e9e7",
  text2: "#a9b0ad",
  text3: "#8f9794",
  accent: "#9dadff",
  accentSoft: "#222a4e",
  onAccent: "#0f1433",
  positive: "#55c6bb",
  positiveSoft: "#11312e",
  neutral: "#9ba29f",
  neutralSoft: "#242927",
  uneasy: "#e4ae52",
  uneasySoft: "#362a10",
  negative: "#f6869f",
  negativeSoft: "#3e1b26",
  shadow: "0 16px 40px rgb(0 0 0 / 56%), 0 2px 8px rgb(0 0 0 / 40%)",
};
