import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { pushRefusal, readPushHead } from './pushHead.ts'
import { refusedPush } from './pushReport.ts'

const a = 'a'.repeat(40)
const b = 'b'.repeat(40)
const zero = '0'.repeat(40)
const packet = (text: string) => (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text

const chunksOf = (...chunks: (string | Buffer)[]): AsyncIterator<Buffer> =>
  Readable.from(chunks.map((chunk) => Buffer.from(chunk))).iterator()

async function pushOf(...lines: string[]) {
  const head = await readPushHead(chunksOf(`${lines.map(packet).join('')}0000PACK`))
  if (head.kind !== 'push') throw new Error(`read as ${head.kind}`)
  return head
}

const refusalOf = async (...lines: string[]) => pushRefusal(await pushOf(...lines), 'work')

describe('the commands of a push', () => {
  test('are read up to the pack, and everything that was read is kept to be sent on', async () => {
    const sent = `${packet(`shallow ${b}\n`)}${packet(`${a} ${b} refs/heads/work\0 report-status side-band-64k agent=git/2\n`)}0000PACK`
    for (const size of [1, 3, 1000]) {
      const pieces = sent.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
      const chunks = chunksOf(...pieces)
      const head = await readPushHead(chunks)
      if (head.kind !== 'push') throw new Error(head.kind)
      expect(head.commands).toEqual([{ newId: b, ref: 'refs/heads/work' }])
      expect([...head.capabilities]).toEqual(['report-status', 'side-band-64k', 'agent=git/2'])
      let all = head.bytes.toString()
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) all += next.value
      expect(all).toBe(sent)
    }
  })

  test('of the session’s branch may create and update it', async () => {
    expect(await refusalOf(`${a} ${b} refs/heads/work\0report-status`)).toBeNull()
    expect(await refusalOf(`${zero} ${b} refs/heads/work\0report-status`)).toBeNull()
    expect(await refusalOf(`${zero} ${'c'.repeat(64)} refs/heads/work\0object-format=sha256`)).toBeNull()
  })

  test.each([
    ['another branch', [`${a} ${b} refs/heads/main\0`], /may push to work only/],
    ['a tag of that name', [`${a} ${b} refs/tags/work\0`], /may push to work only/],
    ['a name that only begins like it', [`${a} ${b} refs/heads/work/2\0`], /may push to work only/],
    ['a delete', [`${a} ${zero} refs/heads/work\0`], /may not delete work/],
    ['two at once', [`${a} ${b} refs/heads/work\0`, `${a} ${b} refs/heads/x`], /one branch at a time/],
    ['push options', [`${a} ${b} refs/heads/work\0report-status push-options`], /push options/],
    ['a certificate', [`push-cert\0report-status`, 'certificate version 0.1'], /signed push/],
  ])('%s is refused', async (_, lines, sentence) => {
    expect(await refusalOf(...lines)).toMatch(sentence)
  })

  test('a flush alone is git asking whether it is let in', async () => {
    expect(await readPushHead(chunksOf('0000'))).toEqual({ kind: 'probe' })
    expect(await readPushHead(chunksOf('0000', 'PACK'))).toMatchObject({ kind: 'malformed' })
  })

  test.each([
    ['nothing', ''],
    ['no length', 'zzzz'],
    ['an empty line', '0004'],
    ['a line that ends early', packet(`${a} ${b} refs/heads/work\0`).slice(0, -3)],
    ['no flush', packet(`${a} ${b} refs/heads/work\0`)],
    ['a line that says "flush"', `${packet(`${a} ${b} refs/heads/work\0`)}${packet('flush')}0000`],
    ['a delimiter of version 2', `${packet(`${a} ${b} refs/heads/work\0`)}00010000`],
    ['capabilities behind a shallow line', `${packet(`shallow ${a}\0push-options`)}0000`],
    ['no command', `${packet(`shallow ${a}`)}0000`],
    ['too many commands', `${packet(`${a} ${b} refs/heads/x\0`).repeat(101)}0000`],
  ])('%s is not a push', async (_, body) => {
    expect(await readPushHead(chunksOf(body))).toMatchObject({ kind: 'malformed' })
  })

  test('without an end is not held', async () => {
    let sent = 0
    async function* endless() {
      for (;;) {
        sent += 1
        yield Buffer.from(packet(`shallow ${a}`))
      }
    }
    expect(await readPushHead(endless())).toMatchObject({ kind: 'malformed' })
    expect(sent * 52).toBeLessThan(1_100_000)
  })
})

describe('the report of a refused push', () => {
  test('is in the bands that git asked for', async () => {
    const head = await pushOf(`${a} ${b} refs/heads/main\0report-status side-band-64k`)
    const inner = `${packet('unpack ok\n')}${packet('ng refs/heads/main corral: no\n')}0000`
    expect(refusedPush(head, 'no.').toString()).toBe(`${packet(`\u0001${inner}`)}0000`)
  })

  test('is bare when git asked for no bands, and a fatal line when it asked for no report', async () => {
    const plain = await pushOf(`${a} ${b} refs/heads/main\0report-status`)
    expect(refusedPush(plain, 'no.').toString()).toBe(
      `${packet('unpack ok\n')}${packet('ng refs/heads/main corral: no\n')}0000`,
    )
    const silent = await pushOf(`${a} ${b} refs/heads/main\0side-band-64k`)
    expect(refusedPush(silent, 'no.').toString()).toBe(`${packet('\u0003corral: no')}0000`)
  })

  test('is cut into bands that git can read', async () => {
    const lines = Array.from(
      { length: 100 },
      (_, at) => `${a} ${b} refs/heads/${'x'.repeat(1000)}${at}${at ? '' : '\0report-status side-band-64k'}`,
    )
    const report = refusedPush(await pushOf(...lines), 'no.')
    let at = 0
    let bands = 0
    for (let size = 1; size > 0; at += size) {
      size = Number.parseInt(report.toString('latin1', at, at + 4), 16)
      expect(size).toBeLessThanOrEqual(65_520)
      if (size > 0) bands += 1
    }
    expect([at + 4, bands]).toEqual([report.length, 2])
  })
})
