/** Two posts and two rails. */
export function Logo({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--logo)" />
      <g fill="none" stroke="#fff" strokeWidth="2.4" strokeLinecap="round">
        <path d="M9 8v16M23 8v16" />
        <path d="M6 13h20M6 19h20" stroke="#9db2ff" />
      </g>
    </svg>
  )
}
