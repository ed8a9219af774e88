import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createOpenParts } from './openParts.ts'
import { DamagedSpool, openSpool, type Spool } from './spool.ts'

const folders: string[] = []
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'corral-spool-'))
  folders.push(folder)
  return folder
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const everything = { events: 100_000, bytes: 1 << 30 }
const openParts = createOpenParts()
const texts = (spool: Spool, from: number): string[] => spool.read(from, everything).payloads.map(String)
const append = (spool: Spool, text: string): number => spool.append(Buffer.from(text), { durable: false })
const megabyte = 'x'.repeat(1024 * 1024)

describe('a spool', () => {
  it('numbers events from its start and gives them back in order', () => {
    const spool = openSpool({ folder: newFolder(), epoch: 1, startN: 7, openParts })
    expect([append(spool, '"a"'), append(spool, '"b"'), append(spool, '"c"')]).toEqual([7, 8, 9])
    expect(texts(spool, 8)).toEqual(['"b"', '"c"'])
    expect({ firstN: spool.firstN, lastN: spool.lastN, ackedN: spool.ackedN }).toEqual({
      firstN: 7,
      lastN: 9,
      ackedN: 6,
    })
  })

  it('reads no more than asked for, but always one', () => {
    const spool = openSpool({ folder: newFolder(), epoch: 1, startN: 1, openParts })
    for (const text of [megabyte, 'b', 'c', 'd']) append(spool, text)
    expect(spool.read(1, { events: 10, bytes: 10 }).payloads).toHaveLength(1)
    expect(spool.read(2, { events: 2, bytes: 10 }).payloads.map(String)).toEqual(['b', 'c'])
  })

  it('goes on with the next number after its process was killed', () => {
    const folder = newFolder()
    append(openSpool({ folder, epoch: 1, startN: 1, openParts }), '"a"')
    const again = openSpool({ folder, epoch: 1, startN: 1, openParts })
    expect(append(again, '"b"')).toBe(2)
    expect(texts(again, 1)).toEqual(['"a"', '"b"'])
  })

  it('deletes full segments a minute after all of them was acked, and never the newest', () => {
    const folder = newFolder()
    const spool = openSpool({ folder, epoch: 1, startN: 1, openParts })
    for (let i = 0; i < 12; i++) append(spool, megabyte)
    expect(readdirSync(folder)).toHaveLength(3)
    spool.ack(5)
    const now = performance.now()
    spool.sweep(now + 59_000)
    expect(spool.firstN).toBe(1)
    spool.sweep(now + 61_000)
    expect(spool.firstN).toBe(5)
    spool.ack(12)
    spool.sweep(performance.now() + 61_000)
    expect(readdirSync(folder)).toHaveLength(1)
    expect(append(openSpool({ folder, epoch: 1, startN: 1, openParts }), '"next"')).toBe(13)
  })

  it('is damaged when events in its middle are gone', () => {
    const folder = newFolder()
    const spool = openSpool({ folder, epoch: 1, startN: 1, openParts })
    for (let i = 0; i < 6; i++) append(spool, megabyte)
    const [first = ''] = readdirSync(folder).sort()
    truncateSync(join(folder, first), 3 * 1024 * 1024)
    expect(() => openSpool({ folder, epoch: 1, startN: 1, openParts })).toThrow(DamagedSpool)
  })

  it('holds exactly what was appended, whatever is appended, acked, reopened or torn in any order', () => {
    const text = fc.oneof(fc.string({ minLength: 1, maxLength: 200 }), fc.constant(megabyte))
    const step = fc.oneof(
      fc.record({ do: fc.constant('append' as const), text }),
      fc.record({ do: fc.constant('ack' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ do: fc.constant('sweep' as const) }),
      // Killed while writing: a part of a record, or of its header, or anything else, is at the end of the file.
      fc.record({ do: fc.constant('kill' as const), tail: fc.uint8Array({ maxLength: 40 }) }),
      // Killed, and the last bytes did not reach the disk.
      fc.record({ do: fc.constant('lose' as const), bytes: fc.integer({ min: 1, max: 60 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const folder = newFolder()
        const open = () => openSpool({ folder, epoch: 1, startN: 1, openParts })
        let spool = open()
        let expected: string[] = []
        for (const current of steps) {
          if (current.do === 'append') {
            expect(append(spool, current.text)).toBe(expected.length + 1)
            expected.push(current.text)
          } else if (current.do === 'ack') spool.ack(Math.floor(current.share * expected.length))
          else if (current.do === 'sweep') spool.sweep(performance.now() + 61_000)
          else {
            spool.close()
            const newest = join(folder, readdirSync(folder).sort().at(-1) ?? '')
            if (current.do === 'kill') appendFileSync(newest, current.tail)
            else truncateSync(newest, Math.max(0, statSync(newest).size - current.bytes))
            spool = open()
            expected = expected.slice(0, Math.min(expected.length, spool.lastN))
          }
          expect(spool.lastN).toBe(expected.length)
          expect(texts(spool, spool.firstN)).toEqual(expected.slice(spool.firstN - 1))
        }
        spool.close()
        rmSync(folder, { recursive: true })
      }),
      { numRuns: 60 },
    )
  })
})
