// What every driver promises, as tests that look at real sandboxes from inside and from the host. Each driver's own
// test calls `conformance` and adds only what concerns its own means.
import { afterAll, beforeAll, describe } from 'vitest'
import { escapeTests } from './escape/escape.ts'
import { isolationTests } from './isolation.ts'
import { lifeTests } from './life.ts'
import { limitTests } from './limits.ts'
import { type DriverSettings, makeWorld, type World } from './world.ts'

export function conformance(settings: DriverSettings): void {
  describe(`a sandbox of the ${settings.sandboxDriver} driver`, () => {
    const world = useWorld(settings)
    describe('is closed:', () => isolationTests(world))
    describe('lets nothing out:', () => escapeTests(world))
    describe('lives:', () => lifeTests(world))
    describe('is bounded:', () => limitTests(world))
  })
}

/** One world for the tests of a `describe`; a function, because it is made only when they run. */
export function useWorld(settings: DriverSettings): () => World {
  let world: World | undefined
  beforeAll(async () => {
    world = await makeWorld(settings)
  })
  afterAll(() => world?.[Symbol.asyncDispose]())
  return () => {
    if (!world) throw new Error('The world is made when the tests run.')
    return world
  }
}
