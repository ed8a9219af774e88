/** What a run tells at its end: what was struck, how much there was to look at, and what each rule says of it. */
import { rules } from './checker.ts'
import type { Evidence, Violation } from './judged.ts'

export type Outcome = { struck: Record<string, number>; evidence: Evidence; violations: Violation[] }

export function reportOf({ struck, evidence: { sessions }, violations }: Outcome): string[] {
  const states: Record<string, number> = {}
  for (const { state } of sessions.flatMap(({ executions }) => executions)) states[state] = (states[state] ?? 0) + 1
  const sum = (of: (session: Evidence['sessions'][number]) => number) => sessions.reduce((all, it) => all + of(it), 0)
  const strikes = Object.values(struck).reduce((all, count) => all + count, 0)
  const found = (rule: string) => violations.filter((violation) => violation.rule === rule).length
  return [
    `${strikes} faults: ${JSON.stringify(struck)}`,
    `${sessions.length} sessions, executions ${JSON.stringify(states)}, ${sum(({ events }) => events.length)} events, ` +
      `${sum(({ viewers }) => viewers.length)} viewers, ${sum(({ commits }) => commits.length)} commits, ` +
      `${sum(({ answered }) => answered.length)} answers, ${sum(({ told }) => told.length)} callbacks`,
    ...rules.map((rule) => `${rule.padEnd(16)} ${found(rule) === 0 ? 'holds' : `${found(rule)} violations`}`),
    ...violations.map(({ rule, session, what }) => `VIOLATION ${rule}: ${session ?? ''} ${what}`.slice(0, 600)),
  ]
}
