/** Many sandboxes that are started at once get their turns, all of them are there in the end, and then none is left. */
import { expect, test } from 'vitest'
import { startInstallation } from '../harness/installation.ts'
import { remainsOf, startCrowd } from './crowd.ts'

test('eight at once are all there, and nothing of them is left', async () => {
  const corral = await startInstallation()
  const remains = await remainsOf(corral)
  try {
    for (const member of await startCrowd(corral, { count: 8, agents: false }))
      expect(member).toMatchObject({ reason: 'setup_command_failed', connectedMs: expect.any(Number) })
  } finally {
    // Throws for every process that is left.
    await corral.end()
  }
  expect(await remains()).toEqual([])
})
