import { Navigate, NavLink, Route, Routes } from "react-router-dom";

export default function SettingsPage() {
  return (
    <Routes>
      <Route
        path="*"
        element={
          <div className="page">
            <NavLink to="/live">Live</NavLink>
          </div>
        }
      />
      <Route path="none" element={<Navigate to="/live" />} />
    </Routes>
  );
}
