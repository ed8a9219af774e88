/**
 * Many sandboxes at once on one machine: how long each waits until it is there, beside one that is alone, and the memory
 * that one takes. Invariant: each member has become ready, or the figures are not worth anything and it throws.
 */
import { startInstallation } from '../e2e/harness/installation.ts'
import { type Member, memoryOfSandboxes, remainsOf, startCrowd } from '../e2e/long/crowd.ts'
import type { Benchmark, Row } from './benchmark.ts'

const alone = 5
const MB = 1_000_000

export const crowd: Benchmark = {
  name: 'crowd',
  async run() {
    return [
      ...(await measure('40 sandboxes at once', 40, false, ({ connectedMs }) => connectedMs)),
      ...(await measure('10 agents at once', 10, true, ({ end, endedMs }) => (end === 'completed' ? endedMs : null))),
    ]
  },
}

async function measure(
  what: string,
  count: number,
  agents: boolean,
  figure: (member: Member) => number | null,
): Promise<Row[]> {
  const corral = await startInstallation()
  const remains = await remainsOf(corral)
  const rows: Row[] = []
  try {
    const figures = (members: Member[]) => members.map((member) => figure(member) ?? fail(member))
    const reference: number[] = []
    for (let i = 0; i < alone; i++) reference.push(...figures(await startCrowd(corral, { count: 1, agents })))
    const before = await memoryOfSandboxes(corral)
    const members = await startCrowd(corral, { count, agents })
    const memory = (await memoryOfSandboxes(corral)) - before
    rows.push(
      {
        ...{ what: `${what}, each`, unit: 'ms', figures: figures(members) },
        reference: { what: 'alone', figures: reference },
      },
      { what: `${what}, memory of one`, unit: 'MB', figures: [memory / count / MB] },
    )
  } finally {
    await corral.end()
  }
  const left = await remains()
  if (left.length > 0) throw new Error(`There still is: ${left.join(', ')}`)
  return rows
}

function fail(member: Member): never {
  throw new Error(`One of them did not become ready: ${JSON.stringify(member)}`)
}
