/**
 * `npm run chaos [-- --seed N --minutes 30 --sessions 20 --agents 20]`: sessions work while something is killed, frozen
 * or cut, at random from a seed; then the checker looks at all of it. Ends with 1 when anything does not hold, which
 * includes not being over 6 minutes after the last fault. `--keep <folder>` leaves there what it is judged by;
 * `--only link,agent` strikes these alone.
 */
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { testReceiver } from '../../packages/server/src/callbacks/testReceiver.ts'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { type Inside, lookInside, lookInsides } from '../kills/inside.ts'
import { recordsOf } from '../kills/records.ts'
import { type Actor, createActor } from './actor.ts'
import { type Evidence, violationsIn } from './checker.ts'
import { type Random, randomFrom } from './dice.ts'
import { evidenceOf, strangersIn } from './evidence.ts'
import { createSlots } from './slots.ts'
import { faults, signal, type Target } from './strikes.ts'
import { createTold } from './told.ts'

/** Of an agent and its supervisor while they work. */
const agentBytes = 640 * 1024 ** 2
/** For the turns that run when the last fault is over, one more message each, and the checker. */
const restMs = 6 * 60_000

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '30' },
    sessions: { type: 'string', default: '20' },
    agents: { type: 'string' },
    keep: { type: 'string' },
    only: { type: 'string', default: Object.keys(faults).join() },
  },
})
const options = {
  seed: number('seed', values.seed),
  minutes: number('minutes', values.minutes),
  sessions: number('sessions', values.sessions),
  keep: values.keep,
  only: values.only.split(',').filter((name) => name in faults),
  /** As many as there is memory for, when nobody says how many. */
  agents: values.agents === undefined ? agentsThatFit() : number('agents', values.agents),
}

function agentsThatFit(): number {
  const available = Number(/^MemAvailable: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024
  return Math.max(1, Math.floor(available / agentBytes))
}

function number(name: string, text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  console.error(`--${name} is "${text}"; give a number above 0.`)
  process.exit(2)
}

const begun = performance.now()
const say = (text: string) => console.log(`${((performance.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${text}`)
const struck: Record<string, number> = {}
const stuck: string[] = []
const leftBehind: string[] = []

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Those that have a supervisor; none while the database is away. */
async function insidesOf(corral: Installation): Promise<Inside[]> {
  const inits = await recordsOf(corral.home)
    .sandboxInits()
    .catch(() => [])
  return (await lookInsides(inits)).filter(({ supervisor }) => supervisor !== null)
}

async function strikeUntil(deadline: number, target: Target, random: Random): Promise<void> {
  while (performance.now() < deadline) {
    await delay(random.between(500, 8_000))
    const names = new Set(Array.from({ length: random.chance(0.2) ? 2 : 1 }, () => random.pick(options.only)))
    await Promise.all([...names].map((name) => strike(name, target, random.branch())))
  }
}

async function strike(name: string, target: Target, random: Random): Promise<void> {
  try {
    const done = await random.pick(faults[name] ?? [])(target, random)
    if (done === null) return
    say(done)
    const kind = done.split(' ').slice(0, 2).join(' ').replace(',', '')
    struck[kind] = (struck[kind] ?? 0) + 1
  } catch (error) {
    stuck.push(`striking ${name}: ${said(error)}`)
    say(`striking ${name} failed: ${said(error)}`)
  }
}

async function keep(folder: string, corral: Installation, sessions: Evidence['sessions']): Promise<void> {
  await mkdir(folder, { recursive: true })
  await cp(join(corral.folder, 'server.log'), join(folder, 'server.log'))
  await writeFile(join(folder, 'evidence.json'), JSON.stringify(sessions))
}

async function main(): Promise<number> {
  say(`seed ${options.seed}, ${options.minutes} min, ${options.sessions} sessions, ${options.agents} agents at once`)
  const random = randomFrom(options.seed)
  const temporary = await mkdtemp(join(tmpdir(), 'corral-chaos-'))
  await mkdir(join(temporary, 'inside'))
  await using receiver = await testReceiver()
  const corral = await startInstallation({
    env: { TMPDIR: join(temporary, 'inside'), CORRAL_ALLOW_PRIVATE_HOSTS: receiver.host },
  })
  const place = { corral, callbackUrl: receiver.url, sessions: options.sessions }
  const told = createTold(receiver, corral)
  const names = Array.from({ length: options.sessions }, (_, i) => `chaos-${i + 1}`)
  const actors = await Promise.all(names.map((name) => createActor(place, name, random.branch())))
  const slots = createSlots(options.agents)
  const deadline = performance.now() + options.minutes * 60_000
  say('all sessions are prepared')

  async function work(actor: Actor): Promise<void> {
    while (performance.now() < deadline) {
      await slots(async () => {
        if (performance.now() >= deadline && actor.accepted.length > 0) return
        await actor.round()
        await makeRoom(actor)
      })
    }
  }
  /** An idle agent stays for minutes; another session may need its memory now. */
  async function makeRoom(actor: Actor): Promise<void> {
    if (options.agents >= options.sessions) return
    const init = await recordsOf(corral.home)
      .sandboxInit(actor.session)
      .catch(() => null)
    for (const pid of init === null ? [] : (await lookInside(init)).agents) signal(pid, 'SIGKILL')
  }
  const guarded = (actor: Actor, what: Promise<unknown>) =>
    what.catch((error) => {
      stuck.push(`${actor.session}: ${said(error)}`)
      say(`${actor.session}: ${said(error)}`)
    })

  const target: Target = {
    corral,
    insides: () => insidesOf(corral),
    cutViewer: (from) => from.pick(actors).cutViewer(),
    receiver,
  }
  async function inTime(what: string, all: Promise<unknown>[]): Promise<void> {
    const late = delay(deadline + restMs - performance.now(), 'late' as const, { ref: false })
    const end = await Promise.race([Promise.all(all), late])
    if (end === 'late') stuck.push(`${what}: not over ${restMs / 1000} s after the last fault`)
  }
  await inTime('the work', [
    ...actors.map((actor) => guarded(actor, work(actor))),
    strikeUntil(deadline, target, random.branch()),
  ])
  say('no more faults; one more message for each session')

  const sessions: Evidence['sessions'] = []
  const judge = (actor: Actor) =>
    slots(async () => {
      const last = await actor.last().catch((error) => {
        stuck.push(`${actor.session}: ${said(error)}`)
        return null
      })
      await guarded(
        actor,
        evidenceOf({ corral, told }, actor, last).then((evidence) => sessions.push(evidence)),
      )
      await makeRoom(actor)
    })
  await inTime('the message at the end', actors.map(judge))
  const strangers = async () => strangersIn(corral, await insidesOf(corral))
  await eventually('the end of what nobody needs', 10_000, async () =>
    (await strangers()).length === 0 ? true : null,
  ).catch(async () => leftBehind.push(...(await strangers())))
  if (options.keep) await keep(options.keep, corral, sessions)
  await corral.end().catch((error) => leftBehind.push(said(error)))
  leftBehind.push(...(await readdir(join(temporary, 'inside'))).map((name) => `${name} in the temporary folder`))
  await rm(temporary, { recursive: true })

  const violations = violationsIn({ sessions, leftBehind, stuck })
  report(sessions)
  for (const { rule, session, what } of violations)
    console.log(`VIOLATION ${rule}: ${session ?? ''} ${what}`.slice(0, 600))
  console.log(`${violations.length} violations; seed ${options.seed}`)
  return violations.length === 0 && sessions.length === actors.length ? 0 : 1
}

function report(sessions: Evidence['sessions']): void {
  const states: Record<string, number> = {}
  for (const { state } of sessions.flatMap(({ executions }) => executions)) states[state] = (states[state] ?? 0) + 1
  const sum = (of: (session: Evidence['sessions'][number]) => number) => sessions.reduce((all, it) => all + of(it), 0)
  console.log(`faults: ${JSON.stringify(struck)}`)
  console.log(
    `${sessions.length} sessions, executions ${JSON.stringify(states)}, ${sum(({ events }) => events.length)} events, ` +
      `${sum(({ viewers }) => viewers.length)} viewers, ${sum(({ commits }) => commits.length)} commits, ` +
      `${sum(({ answered }) => answered.length)} answers, ${sum(({ told }) => told.length)} callbacks`,
  )
}

process.exit(await main())
