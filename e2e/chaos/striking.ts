/** Strikes until a time is over: at random, or by a script. Counts what was struck; a strike that fails is told. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './dice.ts'
import { type FaultName, faultNamed, faultsOf, type Target, type Victim } from './strikes.ts'

export type Strikes =
  /** One or two of these at a time, a few seconds apart. */
  { only: readonly Victim[] } | { script: readonly { afterMs: number; strike: FaultName }[] }

export function createStriking(
  strikes: Strikes,
  deps: { target: Target; say(text: string): void; failed(what: string): (error: unknown) => void },
) {
  const struck: Record<string, number> = {}

  async function strike(name: FaultName, random: Random): Promise<void> {
    const done = await faultNamed(name)(deps.target, random)
    if (done === null) return
    deps.say(done)
    struck[name] = (struck[name] ?? 0) + 1
  }
  const guarded = (name: FaultName, random: Random) => strike(name, random).catch(deps.failed(`striking ${name}`))

  async function atRandom(deadline: number, only: readonly Victim[], random: Random): Promise<void> {
    while (performance.now() < deadline) {
      await delay(random.between(500, 8_000))
      const victims = new Set(Array.from({ length: random.chance(0.2) ? 2 : 1 }, () => random.pick(only)))
      await Promise.all([...victims].map((victim) => guarded(random.pick(faultsOf(victim)), random.branch())))
    }
  }

  async function byScript(
    deadline: number,
    script: readonly { afterMs: number; strike: FaultName }[],
    random: Random,
  ): Promise<void> {
    for (;;) {
      for (const { afterMs, strike: name } of script) {
        await delay(afterMs)
        if (performance.now() >= deadline) return
        await guarded(name, random.branch())
      }
    }
  }

  return {
    struck,
    until: (deadline: number, random: Random): Promise<void> =>
      'only' in strikes ? atRandom(deadline, strikes.only, random) : byScript(deadline, strikes.script, random),
  }
}
