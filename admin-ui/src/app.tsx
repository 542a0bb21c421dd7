import CssBaseline from "@mui/material/CssBaseline";
import { ThemeProvider } from "@mui/material/styles";
import { QueryClient } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { CoreAdminContext, CoreAdminUI, CustomRoutes, defaultI18nProvider, memoryStore, Resource } from "react-admin";
import { BrowserRouter, Navigate, Route } from "react-router-dom";
import { authProvider } from "./api-client/auth-provider.ts";
import { dataProvider } from "./api-client/data-provider.ts";
import { ApiFailure } from "./api-client/request.ts";
import { Frame } from "./frame/frame.tsx";
import { LoginPage } from "./frame/login-page.tsx";
import { NotFound } from "./frame/not-found.tsx";
import { PageSkeleton } from "./frame/skeleton.tsx";
import { LiveBoard } from "./live-board/live-board.tsx";
import { muiThemes } from "./theme/mui-theme.ts";
import { useThemeMode } from "./theme/theme-mode.ts";

const LiveCallPage = lazy(() => import("./live-call/live-call-page.tsx"));
const CallListPage = lazy(() => import("./calls/call-list-page.tsx"));
const CallPage = lazy(() => import("./call-page/call-page.tsx"));
const SettingsPage = lazy(() => import("./settings/settings-page.tsx"));
const PasswordPage = lazy(() => import("./frame/password-page.tsx"));

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: false,
      // What the server refuses stays refused; what it could not do, or could not be asked, is tried twice more.
      retry: (failures, error) => failures < 2 && !(error instanceof ApiFailure && error.status >= 400 && error.status < 500),
    },
  },
});
const store = memoryStore();

export function App() {
  return (
    <ThemeProvider theme={muiThemes[useThemeMode()]}>
      <CssBaseline />
      <BrowserRouter>
        <CoreAdminContext
          authProvider={authProvider}
          dataProvider={dataProvider}
          i18nProvider={defaultI18nProvider}
          queryClient={queryClient}
          store={store}
        >
          <CoreAdminUI
            layout={Frame}
            loginPage={LoginPage}
            catchAll={NotFound}
            loading={PageSkeleton}
            title="Earshot"
            requireAuth
            disableTelemetry
          >
            <CustomRoutes noLayout>
              <Route
                path="/password"
                element={
                  <Suspense fallback={<PageSkeleton />}>
                    <PasswordPage />
                  </Suspense>
                }
              />
            </CustomRoutes>
            <CustomRoutes>
              <Route path="/" element={<Navigate to="/live" replace />} />
              <Route path="/live" element={<LiveBoard />} />
              <Route path="/live/:id" element={<LiveCallPage />} />
              <Route path="/calls" element={<CallListPage />} />
              <Route path="/calls/:id" element={<CallPage />} />
              <Route path="/settings/*" element={<SettingsPage />} />
            </CustomRoutes>
            <Resource name="trunks" recordRepresentation="name" />
            <Resource name="extensions" recordRepresentation="number" />
            <Resource name="phrase-rules" recordRepresentation="name" />
            <Resource name="api-keys" recordRepresentation="name" />
            <Resource name="audit" recordRepresentation="action" />
          </CoreAdminUI>
        </CoreAdminContext>
      </BrowserRouter>
    </ThemeProvider>
  );
}
