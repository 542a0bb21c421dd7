/** MUI's controls in our own dress: hairlines, no shadows but for what floats, no ripple, 8 px grid, 14/13 px. */
import { createTheme, type Theme } from "@mui/material/styles";
import { dark, light, type Palette } from "./palette.ts";
import type { ThemeMode } from "./theme-mode.ts";

const font = '"Inter Figures", "Inter Variable", system-ui, sans-serif';

function build(mode: ThemeMode, c: Palette): Theme {
  const floating = {
    backgroundColor: c.raised,
    backgroundImage: "none",
    border: `1px solid ${c.line}`,
    boxShadow: c.shadow,
    borderRadius: 10,
  };
  return createTheme({
    palette: {
      mode,
      primary: { main: c.accent, contrastText: c.onAccent },
      secondary: { main: c.accent, contrastText: c.onAccent },
      error: { main: c.negative },
      warning: { main: c.uneasy },
      success: { main: c.positive },
      info: { main: c.accent },
      text: { primary: c.text, secondary: c.text2, disabled: c.text3 },
      divider: c.line,
      background: { default: c.bg, paper: c.surface },
      action: { hover: c.hover, selected: c.accentSoft, focus: c.accentSoft },
    },
    spacing: 8,
    shape: { borderRadius: 6 },
    typography: {
      fontFamily: font,
      fontSize: 14,
      htmlFontSize: 16,
      body1: { fontSize: "0.875rem", lineHeight: 1.5 },
      body2: { fontSize: "0.8125rem", lineHeight: 1.5 },
      button: { textTransform: "none", fontWeight: 550, fontSize: "0.8125rem", letterSpacing: 0 },
      h6: { fontSize: "0.9375rem", fontWeight: 600 },
    },
    transitions: {
      duration: { shortest: 80, shorter: 100, short: 120, standard: 140, complex: 145, enteringScreen: 120, leavingScreen: 100 },
    },
    components: {
      MuiButtonBase: { defaultProps: { disableRipple: true } },
      MuiButton: {
        defaultProps: { disableElevation: true, size: "small" },
        styleOverrides: {
          root: {
            minHeight: 32,
            padding: "4px 12px",
            borderRadius: 6,
            whiteSpace: "nowrap",
            "&.Mui-focusVisible": { outline: `2px solid ${c.accent}`, outlineOffset: 2 },
          },
          outlined: { borderColor: c.lineStrong, color: c.text, "&:hover": { borderColor: c.text3, backgroundColor: c.hover } },
          text: { color: c.text2, "&:hover": { backgroundColor: c.hover, color: c.text } },
        },
      },
      MuiIconButton: {
        defaultProps: { size: "small" },
        styleOverrides: {
          root: {
            borderRadius: 6,
            color: c.text2,
            width: 32,
            height: 32,
            "&:hover": { backgroundColor: c.hover, color: c.text },
            "&.Mui-focusVisible": { outline: `2px solid ${c.accent}`, outlineOffset: -1 },
          },
        },
      },
      MuiSvgIcon: { defaultProps: { fontSize: "small" } },
      MuiPaper: { defaultProps: { elevation: 0 }, styleOverrides: { root: { backgroundImage: "none" } } },
      MuiMenu: { styleOverrides: { paper: { ...floating, marginTop: 4 }, list: { padding: 4 } } },
      MuiPopover: { styleOverrides: { paper: floating } },
      MuiMenuItem: {
        styleOverrides: {
          root: { borderRadius: 6, fontSize: "0.8125rem", minHeight: 32, gap: 8, "&.Mui-selected": { backgroundColor: c.accentSoft } },
        },
      },
      MuiDialog: { styleOverrides: { paper: { ...floating, borderRadius: 12 } } },
      MuiDialogTitle: { styleOverrides: { root: { fontSize: "1rem", fontWeight: 600, padding: "16px 24px 8px" } } },
      MuiDialogContent: { styleOverrides: { root: { padding: "8px 24px 16px" } } },
      MuiDialogActions: { styleOverrides: { root: { padding: "12px 24px", borderTop: `1px solid ${c.line}` } } },
      MuiBackdrop: {
        styleOverrides: {
          root: { "&:not(.MuiBackdrop-invisible)": { backgroundColor: mode === "dark" ? "rgb(0 0 0 / 56%)" : "rgb(24 28 26 / 28%)" } },
        },
      },
      MuiTooltip: {
        defaultProps: { enterDelay: 350, enterNextDelay: 100 },
        styleOverrides: {
          tooltip: {
            backgroundColor: c.text,
            color: c.surface,
            fontSize: "0.75rem",
            fontWeight: 450,
            borderRadius: 6,
            padding: "6px 8px",
            maxWidth: 320,
          },
        },
      },
      MuiTextField: { defaultProps: { size: "small", variant: "outlined", fullWidth: true } },
      MuiFormControl: { defaultProps: { size: "small" } },
      MuiOutlinedInput: {
        styleOverrides: {
          root: {
            fontSize: "0.875rem",
            backgroundColor: c.surface,
            "& .MuiOutlinedInput-notchedOutline": { borderColor: c.lineStrong },
            "&:hover .MuiOutlinedInput-notchedOutline": { borderColor: c.text3 },
            "&.Mui-focused .MuiOutlinedInput-notchedOutline": { borderColor: c.accent, borderWidth: 2 },
          },
          input: { padding: "8px 12px", height: 20 },
          multiline: { padding: "8px 12px", "& textarea": { padding: 0, lineHeight: 1.5 } },
        },
      },
      MuiInputLabel: { styleOverrides: { root: { fontSize: "0.875rem", "&[data-shrink=false]": { transform: "translate(12px, 8px)" } } } },
      MuiFormHelperText: { styleOverrides: { root: { marginLeft: 0, fontSize: "0.75rem", color: c.text3 } } },
      MuiSwitch: {
        styleOverrides: {
          root: { width: 36, height: 20, padding: 0, margin: "0 8px 0 0" },
          switchBase: {
            padding: 2,
            "&.Mui-checked": {
              transform: "translateX(16px)",
              color: c.onAccent,
              "& + .MuiSwitch-track": { backgroundColor: c.accent, opacity: 1 },
            },
            "&.Mui-focusVisible + .MuiSwitch-track": { outline: `2px solid ${c.accent}`, outlineOffset: 2 },
          },
          thumb: { width: 16, height: 16, boxShadow: "none", backgroundColor: mode === "dark" ? "#e6e9e7" : "#fff" },
          track: { borderRadius: 10, backgroundColor: c.text3, opacity: 1 },
        },
      },
      MuiFormControlLabel: { styleOverrides: { root: { marginLeft: 0 }, label: { fontSize: "0.875rem" } } },
      MuiCheckbox: { styleOverrides: { root: { padding: 6, color: c.text3 } } },
      MuiSlider: {
        styleOverrides: {
          root: { height: 3, padding: "10px 0" },
          rail: { backgroundColor: c.lineStrong, opacity: 1 },
          thumb: { width: 12, height: 12, boxShadow: "none", "&:hover, &.Mui-focusVisible": { boxShadow: `0 0 0 4px ${c.accentSoft}` } },
        },
      },
      MuiSnackbarContent: { styleOverrides: { root: { backgroundColor: c.text, color: c.surface, borderRadius: 8, boxShadow: c.shadow } } },
    },
  });
}

export const muiThemes: Record<ThemeMode, Theme> = { light: build("light", light), dark: build("dark", dark) };
