/** A quarter of a minute of chaos with a fixed seed: whatever is struck, no rule of the checker is broken. */
import { expect, test } from 'vitest'
import { usualWorkload } from './actor.ts'
import { reportOf } from './report.ts'
import { runChaos } from './run.ts'

const boundMs = 240_000

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
          { afterMs: 5_000, strike: 'server.kill' },
          { afterMs: 1_000, strike: 'link.cutAll' },
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
  expect(Object.keys(outcome.struck)).toEqual(expect.arrayContaining(['server.kill', 'link.cutAll', 'postgres.kill']))
})
