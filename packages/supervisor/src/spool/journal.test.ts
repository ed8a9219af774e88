import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { limits, type UpEvent } from '@corral/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeEvent } from './journal.ts'

const output = (content: string): UpEvent => ({ type: 'output', data: { content, source: 'stdout' } })
const encoded = (event: UpEvent) => JSON.parse(encodeEvent(event).toString())

describe('an event on its way into the spool', () => {
  it('has no U+0000 and no lone surrogate, in values and in names', () => {
    const data = { type: 'x', properties: { 'a\0b': ['c\0', { d: '\ud800e' }], plain: '\\u0000 \\ud800' } }
    expect(encoded({ type: 'kilocode', data })).toEqual({
      type: 'kilocode',
      data: { type: 'x', properties: { 'a\uFFFDb': ['c\uFFFD', { d: '\uFFFDe' }], plain: '\\u0000 \\ud800' } },
    })
  })

  it('is otherwise what it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!text.includes('\0') && text.isWellFormed())
        expect(encoded(output(text))).toEqual(output(text))
      }),
    )
  })

  it('becomes an error without a reason when it is over 8 MiB', () => {
    const event = encoded(output('x'.repeat(limits.eventBytes)))
    expect(event).toMatchObject({ type: 'error', data: { details: { rejectedType: 'output' } } })
    expect(event.data.reason).toBeUndefined()
  })
})

describe('a full disk', () => {
  it('costs output, but not the end of the execution', async (context) => {
    const script = fileURLToPath(new URL('../testing/fullDisk.ts', import.meta.url))
    // A file system of 12 MiB, in a mount namespace of the script's own.
    const inside = `mount -t tmpfs -o size=12m none /mnt && exec "$0" "$1" /mnt`
    const ran = await promisify(execFile)('unshare', [
      '--user',
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      inside,
      process.execPath,
      script,
    ]).catch((error: Error & { stderr?: string }) => error)
    if (ran instanceof Error && /unshare|mount/.test(String(ran.stderr)))
      return context.skip('no mount namespace can be made here')
    if (ran instanceof Error) throw ran
    expect(JSON.parse(ran.stdout)).toEqual({ lost: false, outcome: true, readBack: 'outcome' })
  })
})
