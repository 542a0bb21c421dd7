import { Link } from "react-router-dom";

export function NotFound() {
  return (
    <div className="empty">
      <h1>There is no page at this address</h1>
      <p>
        The link may be old. Go to the <Link to="/live">live board</Link> or the <Link to="/calls">calls</Link>.
      </p>
    </div>
  );
}
