/**
 * Promises of the engine, and the change to a source that breaks each: what chaos must notice to be worth anything. Never
 * applied here, only to a copy (`copy.ts`). Invariant, held by a test: each `was` is in its file once.
 */
import type { Victim } from '../strikes.ts'

export type Sabotage = {
  /** The promise that is broken. */
  says: string
  /** `file` is relative to the repository. */
  changes: readonly { file: string; was: string; becomes: string }[]
  /** What brings it to light. */
  run: { only: readonly Victim[]; minutes: number; sessions: number }
  /** The rules that may find it. Another violation, such as a machine that is too slow, shows nothing. */
  foundBy: readonly string[]
}

const server = 'packages/server/src'

export const sabotages = {
  'ack-before-commit': {
    says: 'Events are acked only once they are on the disk.',
    changes: [
      {
        file: `${server}/log/writer.ts`,
        was: '      return new Promise((resolve, reject) => {\n        queue.add({',
        becomes:
          '      return new Promise((resolve, reject) => {\n        resolve({ epoch, n: from + incoming.length - 1 })\n        queue.add({',
      },
    ],
    run: { only: ['server', 'postgres'], minutes: 1, sessions: 2 },
    foundBy: ['history', 'agents own', 'endings', 'fifo', 'viewers'],
  },
  'dedupe-removed': {
    says: 'What is sent again from below is stored once.',
    changes: [
      {
        file: `${server}/log/spool.ts`,
        was: "return { kind: 'take', skip: Math.min(known, run.length) }",
        becomes: "return { kind: 'take', skip: 0 }",
      },
    ],
    run: { only: ['server', 'link', 'postgres'], minutes: 1, sessions: 2 },
    foundBy: ['origins', 'one running', 'agents own'],
  },
  'state-outside-the-transaction': {
    says: 'The final state of an execution and its ending event are written in one transaction.',
    changes: [
      {
        file: `${server}/sessions/executions/sink.ts`,
        // It would wait for the row that this transaction holds.
        was: '    if (data.begun) await tx.orm.update(execution).set({ begun: true }).where(eq(execution.id, row.id))\n',
        becomes: '',
      },
      {
        file: `${server}/sessions/executions/settle.ts`,
        was: '  const [ended] = await tx.orm\n    .update(execution)',
        becomes: `  const outside = ending.state === 'completed'
  const { default: pg } = await import('pg')
  const { drizzle } = await import('drizzle-orm/node-postgres')
  const { host, port, user, database, password } = tx.client as never
  const client = new pg.Client({ host, port, user, database, password })
  if (outside) await client.connect()
  const [ended] = await (outside ? drizzle(client) : tx.orm)
    .update(execution)`,
      },
      {
        file: `${server}/sessions/executions/settle.ts`,
        was: '  if (!ended?.endedAt) return []\n',
        becomes: `  if (outside) await client.end()
  if (!ended?.endedAt) return []
  if (outside) await new Promise((resolve) => setTimeout(resolve, 1_500))
`,
      },
    ],
    run: { only: ['server'], minutes: 1, sessions: 2 },
    foundBy: ['endings', 'fifo'],
  },
} as const satisfies Record<string, Sabotage>

export type SabotageName = keyof typeof sabotages

export const isSabotage = (name: string): name is SabotageName => Object.hasOwn(sabotages, name)
