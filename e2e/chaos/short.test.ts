/** A quarter of a minute of chaos with a fixed seed: whatever is struck, no rule of the checker is broken. */
import { expect, test } from 'vitest'
import { usualWorkload } from './actor.ts'
import { reportOf } from './report.ts'
import { runChaos } from './run.ts'

/** A quarter of a minute of it is struck; the rest is setting up, and reading everything. */
const boundMs = 480_000

test('two sessions, while server, database, links and viewers are struck', { timeout: boundMs }, async () => {
  const said: string[] = []
  const outcome = await runChaos(
    {
      seed: 1,
      forMs: 15_000,
      sessions: 2,
      agents: 2,
      workload: { ...usualWorkload, messages: 2 },
      // Without what costs minutes to be made good again.
      strikes: {
        script: [
          { afterMs: 3_000, strike: 'link.cutAll' },
          { afterMs: 1_000, strike: 'server.kill' },
          { afterMs: 500, strike: 'viewer.cutAll' },
          { afterMs: 1_500, strike: 'postgres.kill' },
          { afterMs: 2_000, strike: 'gateway.kill' },
        ],
      },
      keep: null,
    },
    (text) => said.push(text),
  )
  expect(outcome.violations, [...said, ...reportOf(outcome)].join('\n')).toEqual([])
  expect(outcome.evidence.sessions.flatMap(({ executions }) => executions).length).toBeGreaterThan(3)
  // A machine with other work may have time for no more of them.
  expect(outcome.struck['server.kill']).toBeGreaterThan(0)
})
