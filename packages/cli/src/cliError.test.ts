import { CorralCallError } from '@corral/client'
import { expect, test } from 'vitest'
import { CliError, explain } from './cliError.ts'

const hostile = '\u001b[2J\u009b2J\u001b]0;x\u0007\r\u202e'

test('what an error quotes of others is nothing but text', () => {
  const refused = new CorralCallError('branch_not_found', `There is no branch "${hostile}main".`, {
    details: [{ path: `${hostile}upstreamBranch`, message: `is not there${hostile}` }],
  })
  for (const error of [refused, new CliError(hostile, hostile, hostile), new Error(`${hostile}.`), hostile]) {
    expect(explain(error)).not.toMatch(/[^\P{Cc}\n\t]|\p{Bidi_Control}/u)
  }
  expect(explain(refused)).toBe('There is no branch "main".\n  why:  upstreamBranch is not there')
})
