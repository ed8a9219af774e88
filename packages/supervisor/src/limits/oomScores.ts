/** Whom the kernel ends first when memory is short: tools, then agents, and the supervisor, which has 200, last. */
export const oomScores = { agent: 400, tool: 900 } as const
