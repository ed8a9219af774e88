/**
 * One run of chaos: sessions work while something is killed, frozen or cut, and then everything is read for the checker.
 * Invariants: it ends, at the latest 6 minutes after the last fault, and what is not over then counts as stuck; nothing
 * of it is left behind.
 */
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { testReceiver } from '../../packages/server/src/callbacks/testReceiver.ts'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { type Inside, lookInside, lookInsides } from '../kills/inside.ts'
import { recordsOf } from '../kills/records.ts'
import { type Actor, createActor, type Workload } from './actor.ts'
import { violationsIn } from './checker.ts'
import { randomFrom } from './dice.ts'
import { evidenceOf, strangersIn } from './evidence.ts'
import type { Evidence } from './judged.ts'
import type { Outcome } from './report.ts'
import { createSlots } from './slots.ts'
import { signal, type Target } from './strikes.ts'
import { createStriking, type Strikes } from './striking.ts'
import { createTold } from './told.ts'

export type ChaosOptions = {
  seed: number
  /** Until the last fault. */
  forMs: number
  sessions: number
  /** How many agents may work at once. */
  agents: number
  workload: Workload
  strikes: Strikes
  /** A folder for what the run is judged by. */
  keep: string | null
}

/** For the turns that run when the last fault is over, one more message each, and the checker. */
const restMs = 6 * 60_000

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Those that have a supervisor; none while the database is away. */
async function insidesOf(corral: Installation): Promise<Inside[]> {
  const inits = await recordsOf(corral.home)
    .sandboxInits()
    .catch(() => [])
  return (await lookInsides(inits)).filter(({ supervisor }) => supervisor !== null)
}

export async function runChaos(options: ChaosOptions, say: (text: string) => void): Promise<Outcome> {
  const random = randomFrom(options.seed)
  const temporary = await mkdtemp(join(tmpdir(), 'corral-chaos-'))
  await mkdir(join(temporary, 'inside'))
  await using receiver = await testReceiver()
  const corral = await startInstallation({
    env: { TMPDIR: join(temporary, 'inside'), CORRAL_ALLOW_PRIVATE_HOSTS: receiver.host },
  })
  const evidence: Evidence = { sessions: [], leftBehind: [], stuck: [] }
  const { stuck, leftBehind, sessions } = evidence
  const told = createTold(receiver, corral)
  const slots = createSlots(options.agents)
  const giveUp = (what: string) => (error: unknown) => {
    stuck.push(`${what}: ${said(error)}`)
    say(`${what}: ${said(error)}`)
  }

  const place = { corral, callbackUrl: receiver.url, ...options }
  const names = Array.from({ length: options.sessions }, (_, i) => `chaos-${i + 1}`)
  const actors = await Promise.all(names.map((name) => createActor(place, name, random.branch())))
  const deadline = performance.now() + options.forMs
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

  async function inTime(what: string, all: Promise<unknown>[]): Promise<void> {
    const late = delay(deadline + restMs - performance.now(), 'late' as const, { ref: false })
    const end = await Promise.race([Promise.all(all), late])
    if (end === 'late') stuck.push(`${what}: not over ${restMs / 1000} s after the last fault`)
  }

  async function judge(actor: Actor): Promise<void> {
    const { session } = actor
    const last = await actor.last().catch((error: unknown) => {
      giveUp(session)(error)
      return null
    })
    await evidenceOf({ corral, told }, actor, last).then((read) => sessions.push(read), giveUp(session))
    await makeRoom(actor)
  }

  const target: Target = {
    corral,
    insides: () => insidesOf(corral),
    cutViewer: (from) => from.pick(actors).cutViewer(),
    cutViewers: () => actors.forEach((actor) => void actor.cutViewer()),
    receiver,
  }
  const striking = createStriking(options.strikes, { target, say, failed: giveUp })
  await inTime('the work', [
    ...actors.map((actor) => work(actor).catch(giveUp(actor.session))),
    striking.until(deadline, random.branch()),
  ])
  say('no more faults; one more message for each session')
  await inTime(
    'the message at the end',
    actors.map((actor) => slots(() => judge(actor))),
  )

  const strangers = async () => strangersIn(corral, await insidesOf(corral))
  await eventually('the end of what nobody needs', 10_000, async () =>
    (await strangers()).length === 0 ? true : null,
  ).catch(async () => leftBehind.push(...(await strangers())))
  if (options.keep !== null) await keep(options.keep, corral, evidence)
  await corral.end().catch((error: unknown) => leftBehind.push(said(error)))
  leftBehind.push(...(await readdir(join(temporary, 'inside'))).map((name) => `${name} in the temporary folder`))
  await rm(temporary, { recursive: true })
  for (const { session } of actors)
    if (!sessions.some((read) => read.session === session)) stuck.push(`${session}: nothing of it could be judged`)
  return { struck: striking.struck, evidence, violations: violationsIn(evidence) }
}

async function keep(folder: string, corral: Installation, evidence: Evidence): Promise<void> {
  await mkdir(folder, { recursive: true })
  await cp(join(corral.folder, 'server.log'), join(folder, 'server.log'))
  await writeFile(join(folder, 'evidence.json'), JSON.stringify(evidence))
}
