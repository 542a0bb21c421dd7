/** Two voices as the call page draws them: agent above, caller mirrored below, tinted as the talk turns. Decoration only. */
export function DoorPicture() {
  const bars = 96;
  return (
    <div className="door-picture" aria-hidden="true">
      <svg viewBox="0 0 960 320" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">
        {Array.from({ length: bars }, (_, index) => {
          const swing = Math.sin(index / 7.3) + Math.sin(index / 3.1) * 0.4;
          const rough = 0.35 + Math.abs(Math.sin(index * 12.9898) * 0.65);
          const agent = Math.max(0.04, swing) * rough * 104;
          const caller = Math.max(0.04, -swing) * rough * 104;
          const tone =
            index > 44 && index < 62 ? "negative" : index > 76 ? "positive" : index > 30 && index < 45 ? "uneasy" : "line-strong";
          const fade = 0.25 + 0.75 * Math.min(1, index / 24);
          return (
            // bars are places, not things
            <g key={index} fill={`var(--${tone})`} opacity={fade}>
              <rect x={index * 10} y={156 - agent} width="4" height={agent} rx="2" />
              <rect x={index * 10} y={164} width="4" height={caller} rx="2" />
            </g>
          );
        })}
      </svg>
    </div>
  );
}
