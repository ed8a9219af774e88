/**
 * The answer to a push that is refused, in git's own words, so that its user reads
 * `! [remote rejected] main -> main (corral: …)` (gitprotocol-pack, "Report Status").
 */
import type { PushHead } from './pushHead.ts'

export const pushResultType = 'application/x-git-receive-pack-result'

/** One pkt-line; `text` in latin1, as the names of references were read. */
const line = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes])
}
const flush = Buffer.from('0000')

const dataBand = '\u0001'
const errorBand = '\u0003'
/** 65,520 for a pkt-line, less its length and its band. */
const maxBandBytes = 65_515

export function refusedPush({ commands, capabilities }: Extract<PushHead, { kind: 'push' }>, sentence: string): Buffer {
  const reason = `corral: ${sentence.replace(/\.$/, '')}`
  const banded = capabilities.has('side-band-64k')
  if (!capabilities.has('report-status') && !capabilities.has('report-status-v2')) {
    return banded ? Buffer.concat([line(errorBand + reason), flush]) : line(`ERR ${reason}`)
  }
  const report = Buffer.concat([
    // Without a command to refuse, the whole is what failed.
    line(commands.length === 0 ? `unpack ${reason}\n` : 'unpack ok\n'),
    ...commands.map(({ ref }) => line(`ng ${ref} ${reason}\n`)),
    flush,
  ])
  if (!banded) return report
  const text = report.toString('latin1')
  const bands: Buffer[] = []
  for (let at = 0; at < text.length; at += maxBandBytes) bands.push(line(dataBand + text.slice(at, at + maxBandBytes)))
  return Buffer.concat([...bands, flush])
}
