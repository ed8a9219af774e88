/** What `npm run chaos` is asked for, read from its arguments; what cannot be meant is said and ends it. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { usualWorkload } from './actor.ts'
import type { ChaosOptions } from './run.ts'
import { isSabotage, type SabotageName, sabotages } from './sabotage/sabotages.ts'
import { isScenario, scenarios } from './scenarios.ts'
import { type Victim, victims } from './strikes.ts'

/** Of an agent and its supervisor while they work. */
const agentBytes = 640 * 1024 ** 2

export type Asked =
  | { what: 'run'; options: ChaosOptions }
  | { what: 'prove'; name: SabotageName }
  /** Told, and nothing else. */
  | { what: 'list'; lines: string[] }

export class BadArguments extends Error {}

export function readArguments(args: string[]): Asked {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string' },
      sessions: { type: 'string' },
      agents: { type: 'string' },
      keep: { type: 'string' },
      only: { type: 'string' },
      scenario: { type: 'string' },
      sabotage: { type: 'string' },
    },
  })
  const listed = (catalogue: Record<string, { says: string }>): Asked => ({
    what: 'list',
    lines: Object.entries(catalogue).map(([name, { says }]) => `${name.padEnd(24)} ${says}`),
  })
  if (values.scenario === 'list') return listed(scenarios)
  if (values.sabotage === 'list') return listed(sabotages)
  if (values.sabotage !== undefined) {
    if (isSabotage(values.sabotage)) return { what: 'prove', name: values.sabotage }
    throw new BadArguments(`There is no sabotage "${values.sabotage}"; --sabotage list tells them.`)
  }
  return { what: 'run', options: runOptions(values) }
}

type Values = Partial<Record<'seed' | 'minutes' | 'sessions' | 'agents' | 'keep' | 'only' | 'scenario', string>>

function runOptions({ scenario: name, ...values }: Values): ChaosOptions {
  if (name !== undefined && !isScenario(name))
    throw new BadArguments(`There is no scenario "${name}"; --scenario list tells them.`)
  const scenario = name === undefined ? null : scenarios[name]
  const minutes = number('minutes', values.minutes) ?? (scenario ? scenario.seconds / 60 : 30)
  return {
    seed: number('seed', values.seed) ?? (scenario ? 1 : Date.now() % 1_000_000),
    forMs: minutes * 60_000,
    sessions: number('sessions', values.sessions) ?? scenario?.sessions ?? 20,
    // As many as there is memory for, when nobody says how many.
    agents: number('agents', values.agents) ?? agentsThatFit(),
    workload: scenario?.workload ?? usualWorkload,
    strikes: scenario ? { script: scenario.script } : { only: victimsOf(values.only) },
    keep: values.keep ?? null,
  }
}

function victimsOf(text: string | undefined): Victim[] {
  if (text === undefined) return victims
  const named = text.split(',')
  const known = victims.filter((victim) => named.includes(victim))
  if (known.length === named.length) return known
  throw new BadArguments(`--only is "${text}"; give some of ${victims.join()}.`)
}

function number(name: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new BadArguments(`--${name} is "${text}"; give a number above 0.`)
}

function agentsThatFit(): number {
  const available = Number(/^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024
  return Math.max(1, Math.floor(available / agentBytes))
}
