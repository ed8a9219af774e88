/**
 * What a mode means: the agent's own mode of that name where it has one, else its planning (read-only) mode or its
 * building mode. Source: 30-cloud-agent-api §5.
 */
const planning = new Set(['architect', 'ask', 'plan'])

export const modeOf = (name: string): { name: string; fallback: 'plan' | 'build' } => ({
  name,
  fallback: planning.has(name) ? 'plan' : 'build',
})
