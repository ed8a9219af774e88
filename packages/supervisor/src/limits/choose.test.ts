import { expect, test } from 'vitest'
import { chooseByMemory, chooseByNumber, type Weighed } from './choose.ts'

const MiB = 1024 ** 2
let pid = 100

const entry = (given: Partial<Weighed>): Weighed => {
  pid++
  return {
    ...{ pid, parent: 2, group: pid, startTicks: '1', program: 'x', threads: 1, residentBytes: 0 },
    ...{ role: 'tool', bytes: MiB },
    ...given,
  }
}
const agent = entry({ role: 'agent', program: 'opencode', bytes: 600 * MiB, threads: 20 })

test('the largest tool goes first, however large the agent is', () => {
  const [small, large] = [entry({ bytes: 100 * MiB }), entry({ bytes: 200 * MiB })]
  expect(chooseByMemory([agent, small, large], 1024 * MiB)).toEqual({
    kind: 'tool',
    entries: [large],
    amount: 200 * MiB,
  })
})

test('of many small tools the group that has most goes as a whole', () => {
  const crowd = Array.from({ length: 30 }, () => entry({ group: 7, bytes: 10 * MiB }))
  const others = Array.from({ length: 30 }, () => entry({ bytes: 10 * MiB }))
  const victims = chooseByMemory([agent, ...others, ...crowd], 1024 * MiB)
  expect(victims?.entries).toEqual(crowd)
})

test('the agent goes only when no tool would help', () => {
  expect(chooseByMemory([agent, entry({}), entry({})], 1024 * MiB)).toMatchObject({ kind: 'agent', entries: [agent] })
  expect(chooseByMemory([entry({})], 1024 * MiB)).toBeNull()
})

test('who multiplies is found by the group, before the last process is taken', () => {
  const bomb = Array.from({ length: 90 }, () => entry({ group: 7 }))
  expect(chooseByNumber([agent, entry({}), ...bomb], 150)).toBeNull()
  expect(chooseByNumber([agent, entry({}), ...bomb], 140)).toMatchObject({ entries: bomb, amount: 90 })
})

test('who leaves its group each time takes all tools with it, and never an agent', () => {
  const bomb = Array.from({ length: 100 }, () => entry({}))
  expect(chooseByNumber([agent, ...bomb], 100)?.entries).toEqual(bomb)
  expect(chooseByNumber([entry({ role: 'agent', threads: 200 })], 100)).toBeNull()
})
