/**
 * The catalogue of fixed scenarios: a workload, and what is struck when, over and over until its time is over. Each is a
 * way in which systems of this kind have lost something; `npm run chaos -- --scenario list` tells them.
 */
import { usualWorkload, type Workload } from './actor.ts'
import type { FaultName } from './strikes.ts'

export type Scenario = {
  /** What is to hold all the same. */
  says: string
  sessions: number
  seconds: number
  workload: Workload
  /** One after the other, each so long after the one before. */
  script: { afterMs: number; strike: FaultName }[]
}

const every = (afterMs: number, ...strikes: FaultName[]) => strikes.map((strike) => ({ afterMs, strike }))
const usual = { sessions: 2, seconds: 60, workload: usualWorkload }

export const scenarios = {
  'server-killed': {
    ...usual,
    says: 'A server that dies every few seconds loses no message, no event and no callback.',
    script: every(4_000, 'server.kill'),
  },
  'server-upgraded': {
    ...usual,
    says: 'A server that is stopped in order and started again is noticed by nobody but who asks it just then.',
    script: every(8_000, 'server.restart'),
  },
  'server-frozen': {
    ...usual,
    says: 'A server that stands still takes its own silence for nobody’s fault.',
    script: every(5_000, 'server.freeze', 'server.freeze', 'link.cut'),
  },
  'database-killed': {
    ...usual,
    says: 'A database that dies and comes back has everything that was acked, and what was not is sent again.',
    script: every(6_000, 'postgres.kill', 'postgres.freeze'),
  },
  'database-and-server': {
    ...usual,
    says: 'Both at once: nothing is seen that is not on the disk.',
    script: [
      { afterMs: 6_000, strike: 'postgres.kill' },
      { afterMs: 0, strike: 'server.kill' },
    ],
  },
  'gateway-killed': {
    ...usual,
    says: 'A model’s answer that breaks off is asked for again, and is never taken for a whole one.',
    script: every(3_000, 'gateway.kill', 'gateway.freeze'),
  },
  'supervisors-killed': {
    ...usual,
    says: 'What the agent had begun fails and is not run twice; what it had not is run once.',
    script: every(6_000, 'supervisor.kill', 'supervisor.freeze'),
  },
  'agents-killed': {
    ...usual,
    says: 'An agent that dies or stands still costs its turn at most, and its session goes on.',
    script: every(6_000, 'agent.kill', 'agent.freeze'),
  },
  'sandboxes-lost': {
    ...usual,
    says: 'The next message has a new sandbox with the files and the conversation.',
    script: every(10_000, 'sandbox.kill'),
  },
  'reconnect-storm': {
    ...usual,
    sessions: 4,
    says: 'Supervisors and viewers that all come back at once have one link each, and miss nothing.',
    script: every(2_000, 'link.cutAll', 'viewer.cutAll'),
  },
  'viewers-come-and-go': {
    ...usual,
    says: 'Whoever leaves and comes back has seen everything once, in order.',
    script: every(700, 'viewer.cut', 'viewer.client'),
  },
  'callbacks-refused': {
    ...usual,
    says: 'A receiver that fails is told again, under the same key and with the same words.',
    script: every(3_000, 'callback.refuse', 'callback.refuse', 'server.kill'),
  },
  'questions-under-kills': {
    ...usual,
    workload: { ...usualWorkload, questions: 1, stops: 0.1 },
    says: 'An answer that was taken reaches the agent once, whoever dies in between.',
    script: every(5_000, 'server.kill', 'link.cut', 'postgres.kill'),
  },
  'stops-under-kills': {
    ...usual,
    workload: { ...usualWorkload, stops: 1, held: 1 },
    says: 'What was stopped is over at once and stays so; the next message runs.',
    script: every(5_000, 'server.kill', 'supervisor.freeze', 'link.cut'),
  },
  'many-follow-ups': {
    ...usual,
    workload: { ...usualWorkload, messages: 9, stops: 0.2, questions: 0 },
    says: 'A full queue is worked off in its order.',
    script: every(6_000, 'server.kill', 'agent.kill'),
  },
} as const satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof scenarios

export const isScenario = (name: string): name is ScenarioName => Object.hasOwn(scenarios, name)
