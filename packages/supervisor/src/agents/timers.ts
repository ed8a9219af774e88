/** The agents' times. Defaults are 10-engine's; tests shorten them. */
export type AgentTimers = {
  /** One probe of a starting server: a request that is accepted too early may never be answered. */
  startProbeMs: number
  /** Between an abort and the end of the process. */
  abortGraceMs: number
  /** A running agent is probed this often; after `healthTries` probes without an answer it counts as dead. */
  healthEveryMs: number
  healthProbeMs: number
  healthTries: number
  /** Tool output that repeats itself in full is told at most this often. */
  coalesceMs: number
}

export const agentTimers: AgentTimers = {
  startProbeMs: 200,
  abortGraceMs: 5_000,
  healthEveryMs: 8_000,
  healthProbeMs: 2_000,
  healthTries: 3,
  coalesceMs: 150,
}
